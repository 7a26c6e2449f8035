import { fieldsOf, textOf } from '../core/json.ts';
import { counted } from '../core/text.ts';
import { manifestHead, nameFrom, yamlValue } from './manifest-text.ts';

/** What is known of a model in a local folder. */
export interface FolderModel {
  /** As a manifest names it, such as `./my-model`. */
  readonly source: string;
  /** The names of the files at the top. */
  readonly names: readonly string[];
  /** `config.json`, whose fields may have any type; undefined if there is none. */
  readonly config: unknown;
}

/** A commented manifest that serves the model in a folder: a GGUF file on llama-server, anything else on vLLM. */
export function manifestFromFolder({ source, names, config }: FolderModel): string {
  const name = nameFrom(
    source
      .split('/')
      .filter((each) => /[a-z0-9]/i.test(each))
      .at(-1) ?? '',
    'chat',
  );
  const weights = names.filter((each) => /\.gguf$/i.test(each)).toSorted();
  const [first] = weights.filter((each) => !/^mmproj/i.test(each));
  const about = first === undefined ? onVllm(name, config) : onLlama(name, first, weights.length);
  return [
    ...manifestHead(name, source),
    '',
    'models:',
    `  - name: ${name}`,
    `    source: ${yamlValue(source)}`,
    ...(source.startsWith('../') || source.startsWith('/') ? ['    outside: true'] : []),
    '    # The folder states no license that counts unless its README.md does: "license: { id, file }" sets it.',
    '    # licenses: [apache-2.0]',
    '',
    ...about,
    '',
    '# Test prompts. If an answer is not as expected, the previous version is restored.',
    'acceptance:',
    `  - { service: server, model: ${name}, prompt: "Answer with one word: what is the capital of France?", expect: { contains: Paris } }`,
    '',
  ].join('\n');
}

function onLlama(name: string, file: string, count: number): string[] {
  return [
    'images:',
    '  - { name: server, source: "ghcr.io/ggml-org/llama.cpp:server" }',
    '',
    'services:',
    '  - name: server',
    '    image: server',
    ...(count > 1
      ? [`    # The folder has ${count} GGUF files; of a split model, the first is given.`]
      : []),
    '    args:',
    ...words(['--model', `/models/${name}/${file}`, '--alias', name, '--host', '0.0.0.0']),
    ...words(['--port', '8080', '--offline']),
    ...common(name, 8080, 'llama.cpp'),
  ];
}

function onVllm(name: string, config: unknown): string[] {
  const { architectures, max_position_embeddings: context } = fieldsOf(config);
  const architecture = Array.isArray(architectures) ? textOf(architectures[0], 200) : undefined;
  return [
    'images:',
    '  - { name: server, source: "docker.io/vllm/vllm-openai:v0.12.0" }',
    '',
    'services:',
    '  - name: server',
    '    image: server',
    ...(architecture === undefined
      ? ['    # config.json names no architecture: check that the server supports the model.']
      : [`    # ${architecture.replace(/\s+/g, ' ')}, as config.json says.`]),
    '    entrypoint: vllm',
    '    args:',
    ...words(['serve', `/models/${name}`, '--served-model-name', name, '--host', '0.0.0.0']),
    ...words(['--port', '8000']),
    ...(typeof context === 'number' && Number.isInteger(context) && context > 0
      ? [
          `    # The model goes to ${counted(context, 'token')}; less takes less memory.`,
          ...words(['--max-model-len', String(Math.min(context, 32_768))]),
        ]
      : []),
    '    gpus: 1',
    ...common(name, 8000, 'vllm'),
  ];
}

function words(list: readonly string[]): string[] {
  return list.map((each) => `      - ${yamlValue(each)}`);
}

function common(name: string, port: number, server: string): string[] {
  return [
    '    mounts:',
    `      - { model: ${name}, path: /models/${name} }`,
    '    ports:',
    `      - { name: http, container: ${port}, host: ${port} }`,
    `    health: { server: ${server}, port: http, model: ${name} }`,
  ];
}
