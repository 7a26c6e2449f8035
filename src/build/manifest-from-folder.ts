import { fieldsOf, textOf } from '../core/json.ts';
import { counted } from '../core/text.ts';
import { manifestHead, nameFrom, yamlValue } from './manifest-text.ts';

/** What is known of a model in a local folder, or of one on a Hub. */
export interface FolderModel {
  /** As a manifest names it, such as `./my-model` or `hf://organisation/name@main`. */
  readonly source: string;
  /** The names of the files at the top, for a Hub of all files. */
  readonly names: readonly string[];
  /** `config.json`, whose fields may have any type; undefined if there is none. */
  readonly config: unknown;
  /** As the card of the model states it, for a Hub. */
  readonly license?: string;
}

/** The quantization that llama.cpp recommends, if a repository has many. */
const USUAL = /q4_k_m/i;

/** A commented manifest that serves the model in a folder: a GGUF file on llama-server, anything else on vLLM. */
export function manifestFromFolder({ source, names, config, license }: FolderModel): string {
  const isHub = source.startsWith('hf://');
  const name = nameFrom(
    source
      .replace(/@[^@]*$/, isHub ? '' : '$&')
      .split('/')
      .filter((each) => /[a-z0-9]/i.test(each))
      .at(-1) ?? '',
    'chat',
  );
  const weights = names.filter((each) => /\.gguf$/i.test(each)).toSorted();
  const models = weights.filter((each) => !/(?:^|\/)mmproj/i.test(each));
  const first = models.find((each) => isHub && USUAL.test(each)) ?? models[0];
  const about =
    first === undefined ? onVllm(name, config) : onLlama(name, first, isHub ? 1 : weights.length);
  return [
    ...manifestHead(name, source),
    '',
    'models:',
    `  - name: ${name}`,
    `    source: ${yamlValue(source)}`,
    ...(source.startsWith('../') || source.startsWith('/') ? ['    outside: true'] : []),
    ...(isHub ? ofHub(first, weights.length, license) : licenseOfFolder),
    '',
    ...about,
    '',
    '# Tests. If an answer is not as expected, the previous version is restored.',
    'acceptance:',
    ...acceptance(name, first === undefined ? config : undefined),
    '',
  ].join('\n');
}

/** What to say about the license of a model in a folder. */
export const licenseOfFolder: readonly string[] = [
  '    # The folder states no license that counts unless its README.md does: "license: { id, file }" sets it.',
  '    # licenses: [apache-2.0]',
];

/** What to take of a repository, and its license. @param file the weights to serve, if they are in GGUF */
function ofHub(file: string | undefined, count: number, license: string | undefined): string[] {
  const split = file?.replace(/-00001-of-(\d{5})(?=\.gguf$)/i, '-*-of-$1');
  return [
    ...(split === undefined
      ? []
      : [
          `    # The repository has ${count === 1 ? 'one GGUF file' : `${count} GGUF files, often of one model in several quantizations`}: include what to serve.`,
          `    include: [${[split, 'README.md', 'LICENSE*'].map(yamlValue).join(', ')}]`,
        ]),
    ...(license === undefined
      ? ['    # The card of the model states no license: "license: { id, file }" sets it.']
      : [
          '    # The license that the card of the model states. Read it before you accept it.',
          `    licenses: [${yamlValue(license)}]`,
        ]),
  ];
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
  const { architectures, max_position_embeddings: context, auto_map: code } = fieldsOf(config);
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
    ...(code === undefined
      ? []
      : [
          '    # config.json refers to Python files of the model (auto_map). If the server needs them, read them, uncomment the',
          '    # next line, and allow the rule "remote-code-trusted" in "allow" of the model.',
          '    # - --trust-remote-code',
        ]),
    '    gpus: 1',
    ...common(name, 8000, 'vllm'),
  ];
}

/** A prompt, or for a model whose architecture embeds or ranks texts, a query and documents. */
function acceptance(name: string, config: unknown): string[] {
  const { architectures, hidden_size: dimension } = fieldsOf(config);
  const architecture = Array.isArray(architectures) ? String(architectures[0]) : '';
  const ranks = architecture.endsWith('ForSequenceClassification');
  if (!ranks && !/[a-z]Model$/.test(architecture))
    return [
      `  - { service: server, model: ${name}, prompt: "Answer with one word: what is the capital of France?", expect: { contains: Paris } }`,
    ];
  const isSize = !ranks && typeof dimension === 'number' && Number.isInteger(dimension);
  return [
    `  - service: server`,
    `    model: ${name}`,
    `    api: ${ranks ? 'rerank' : 'embeddings'}`,
    '    query: Which city is the capital of France?',
    '    documents: [Paris is where the government sits., Bread is baked in an oven., Iron rusts in the rain.]',
    `    expect: { nearest: Paris is where the government sits.${isSize && dimension > 0 ? `, dimension: ${dimension}` : ''} }`,
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
