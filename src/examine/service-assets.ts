import type { Rule } from '../format/finding.ts';
import type { Manifest } from '../format/manifest.ts';
import { programsOf } from '../format/placement.ts';
import type { Service } from '../format/service.ts';
import { isHubId, offerModel, repositoryOf } from './hub-id.ts';

export type ServiceReport = (service: string, rule: Rule, detail: string, offer?: string) => void;

/** Options of vLLM, SGLang, TGI and llama.cpp whose value is a model, by its purpose. */
const OPTIONS: readonly (readonly [Rule, readonly string[]])[] = [
  [
    'asset-model',
    [
      '--model',
      '--model-path',
      '--model-id',
      '--hf-repo',
      '-hf',
      '-hfr',
      '--model-tag',
      '--lora-modules',
      '--lora-paths',
      '--hf-repo-v',
    ],
  ],
  ['asset-tokenizer', ['--tokenizer', '--tokenizer-path', '--hf-config-path', '--tokenizer-name']],
  [
    'asset-draft-model',
    [
      '--speculative-model',
      '--speculative-draft-model-path',
      '--model-draft',
      '-md',
      '--hf-repo-draft',
      '-hfd',
      '-hfrd',
    ],
  ],
];
const ADDRESSES = ['--model-url', '-mu', '--mmproj-url', '-mmu'];
const VARIABLES = [
  'HF_MODEL_ID',
  'MODEL_ID',
  'MODEL_NAME',
  'NIM_MODEL_NAME',
  'LLAMA_ARG_HF_REPO',
  'LLAMA_ARG_MODEL_URL',
];

/** Whether a service lets its server run code from the model's repository. */
export function trustsRemoteCode(service: Service): boolean {
  return programsOf(service).some(
    ({ args, env }) =>
      args.some((each) => /^--trust[-_]remote[-_]code(?:=(?:true|1))?$/i.test(each)) ||
      Object.entries(env).some(
        ([name, value]) => /TRUST_REMOTE_CODE$/.test(name) && /^(?:1|true)$/i.test(value),
      ),
  );
}

/** Reports what the servers in a manifest would download at startup, according to their options and variables. */
export function examineServices(manifest: Manifest, report: ServiceReport): void {
  for (const service of manifest.services.flatMap(programsOf)) {
    const told = (rule: Rule, option: string, value: string): void => {
      const repository = value.replace(/^hf:\/\//, '').replace(/:[A-Za-z0-9_.-]+$/, '');
      if (isHubId(repository)) {
        const offer = offerLines(manifest, service, option, repository);
        const detail = `${option} is the Hub repository ${repository}, not a mounted folder`;
        report(service.name, rule, detail, offer);
      }
    };
    for (const [option, value] of optionsOf(service.args)) {
      const rule = OPTIONS.find(([, names]) => names.includes(option))?.[0];
      if (rule !== undefined) told(rule, option, value.replace(/^[\w.-]+=/, ''));
      if (ADDRESSES.includes(option) && /^https?:/.test(value))
        report(service.name, 'asset-model', `${option} is a URL`);
      if (option === '--speculative-config' || option === '-sc') {
        const model = /"model"\s*:\s*"([^"]+)"/.exec(value)?.[1];
        if (model !== undefined) told('asset-draft-model', option, model);
      }
    }
    const serve = service.args.indexOf('serve');
    if (serve >= 0) told('asset-model', 'serve', service.args[serve + 1] ?? '');
    for (const name of VARIABLES) told('asset-model', name, service.env[name] ?? '');
    examineKernels(service, report);
  }
}

/** Options with their values: `--name value` and `--name=value`. */
function* optionsOf(args: readonly string[]): Generator<readonly [string, string]> {
  for (const [index, each] of args.entries()) {
    const [, name, value] = /^(--?[A-Za-z][\w-]*)(?:=([\s\S]*))?$/.exec(each) ?? [];
    if (name === undefined) continue;
    const option = name.startsWith('--') ? name.replaceAll('_', '-') : name;
    yield [option, value ?? args[index + 1] ?? ''];
  }
}

/** Manifest lines that add the repository, and mount it in the service. */
function offerLines(
  manifest: Manifest,
  service: Service,
  option: string,
  repository: string,
): string {
  const model = manifest.models.find((each) => repositoryOf(each.source) === repository);
  const mount = service.mounts.find((each) => 'model' in each && each.model === model?.name);
  const folder = mount?.path ?? `/models/${model?.name ?? repository.split('/')[1]}`;
  const lines = [
    ...(model === undefined ? [offerModel(repository)] : []),
    `services:\n  - name: ${service.name}\n    args: [..., ${option}, ${folder}]\n`,
    ...(mount === undefined
      ? [`    mounts:\n      - { model: ${model?.name ?? 'NAME'}, path: ${folder} }\n`]
      : []),
  ];
  const name = /models:\n {2}- name: (\S+)/.exec(lines[0] ?? '')?.[1];
  return lines.join('').replace('model: NAME,', `model: ${name ?? 'NAME'},`);
}

/** vLLM's FlashInfer downloads compiled kernels unless a folder with kernels is configured. */
function examineKernels(service: Service, report: ServiceReport): void {
  const text = [
    ...service.args,
    ...Object.entries(service.env).map(([name, value]) => `${name}=${value}`),
  ].join(' ');
  if (!/flashinfer/i.test(text) || 'FLASHINFER_CUBIN_DIR' in service.env) return;
  report(
    service.name,
    'asset-kernel',
    'it uses FlashInfer, which downloads kernels unless FLASHINFER_CUBIN_DIR is set',
    `files:\n  - { name: flashinfer-cubins, source: ./flashinfer-cubins }\nservices:\n  - name: ${service.name}\n    env: { FLASHINFER_CUBIN_DIR: /cubins }\n    mounts:\n      - { files: flashinfer-cubins, path: /cubins }\n`,
  );
}
