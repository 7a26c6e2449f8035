import type { Rule } from '../format/finding.ts';
import type { Report } from './examine-content.ts';
import { isHubId, offerModel } from './hub-id.ts';

/** What a configuration is checked against. */
export interface ConfigContext {
  /** The path of the configuration in the model. */
  readonly path: string;
  /** Paths of the selected files. */
  readonly taken: ReadonlySet<string>;
  /** Repositories in the manifest. */
  readonly repositories: ReadonlySet<string>;
  readonly report: Report;
}

/** Members that name another repository, which a server downloads at startup. */
const NAMED: readonly (readonly [Rule, readonly string[]])[] = [
  ['asset-base-model', ['base_model_name_or_path']],
  [
    'asset-draft-model',
    [
      'speculative_model',
      'draft_model',
      'draft_model_name_or_path',
      'assistant_model',
      'speculative_config.model',
      'speculators_config.verifier.name_or_path',
    ],
  ],
  [
    'asset-model',
    ['mm_vision_tower', 'vision_tower', 'mm_audio_tower', 'mm_speech_encoder', 'text_encoder_id'],
  ],
  ['asset-tokenizer', ['tokenizer_name_or_path', 'processor_name_or_path']],
];

/** Whether servers read a file of this name as configuration. */
export function isConfig(path: string): boolean {
  return /(?:^|\/)(?:[\w.-]*config|model_index|modules|params)\.json$/i.test(path);
}

/** Reports what a configuration makes a server load: code, other models, other folders. */
export function examineConfig(config: unknown, context: ConfigContext): void {
  if (typeof config !== 'object' || config === null) return;
  for (const value of codeNames(config, 0)) reportCode(value, context);
  for (const [rule, members] of NAMED) {
    for (const member of members) {
      const named = at(config, member.split('.'));
      if (!isHubId(named) || context.repositories.has(named)) continue;
      context.report(rule, `${member} names ${named}`, { offer: offerModel(named) });
    }
  }
  if (/(?:^|\/)genai_config\.json$/.test(context.path)) checkFilenames(config, context);
  if (/(?:^|\/)modules\.json$/.test(context.path)) checkModules(config, context);
  if (/(?:^|\/)model_index\.json$/.test(context.path)) checkComponents(config, context);
}

function at(config: object, path: readonly string[]): unknown {
  let value: unknown = config;
  for (const member of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, member))
      return undefined;
    value = (value as Record<string, unknown>)[member];
  }
  return value;
}

/** Every string in `auto_map` and every key of `custom_pipelines`, at any depth. */
function* codeNames(value: unknown, depth: number): Generator<string> {
  if (typeof value !== 'object' || value === null || depth > 16) return;
  for (const [key, member] of Object.entries(value)) {
    if (key === 'auto_map') yield* texts(member, depth);
    else if (key === 'custom_pipelines') for (const name of Object.keys(member ?? {})) yield name;
    else yield* codeNames(member, depth + 1);
  }
}

function* texts(value: unknown, depth: number): Generator<string> {
  if (typeof value === 'string') yield value;
  else if (typeof value === 'object' && value !== null && depth < 16)
    for (const member of Object.values(value)) yield* texts(member, depth + 1);
}

function reportCode(name: string, { report, repositories }: ConfigContext): void {
  const [repository, reference] = name.split('--');
  report('auto-map', `it refers to code: ${name.slice(0, 200)}`);
  if (reference === undefined || !isHubId(repository) || repositories.has(repository)) return;
  report('asset-remote-code', `${reference.slice(0, 200)} is in the repository ${repository}`, {
    offer: `models:\n  - name: ${repository
      .split('/')[1]
      ?.toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')}\n    source: hf://${repository}@main\n    include: ["*.py"]\n`,
  });
}

/** sentence-transformers builds a model from several folders. */
function checkModules(config: object, context: ConfigContext): void {
  for (const module of Object.values(config) as unknown[]) {
    const path =
      typeof module === 'object' && module !== null && 'path' in module ? module.path : '';
    // Normalize and Pooling of old have an empty folder.
    const type =
      typeof module === 'object' && module !== null && 'type' in module ? String(module.type) : '';
    if (typeof path !== 'string' || path === '' || /\.Normalize$/.test(type)) continue;
    requireFolder(path, context);
  }
}

/** diffusers puts a pipeline together from folders: `name: [library, class]`. */
function checkComponents(config: object, context: ConfigContext): void {
  for (const [name, value] of Object.entries(config)) {
    if (name.startsWith('_') || !Array.isArray(value) || value.length !== 2) continue;
    if (typeof value[0] === 'string' && typeof value[1] === 'string') requireFolder(name, context);
  }
}

/** The folder of a path, with the slash at its end; empty at the top. */
function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

function requireFolder(name: string, { path, taken, report }: ConfigContext): void {
  const folder = `${folderOf(path)}${name}/`;
  if ([...taken].some((each) => each.startsWith(folder))) return;
  report('asset-module', `the folder ${JSON.stringify(folder.slice(0, 200))} is not selected`, {
    offer: `    include: [..., "${folder}"]\n`,
  });
}

/** ONNX Runtime GenAI loads the models that its configuration names, from the folder of the configuration. */
function checkFilenames(config: object, { path, taken, report }: ConfigContext): void {
  for (const name of filenames(config, 0)) {
    if (taken.has(folderOf(path) + name)) continue;
    report(
      'shard-missing',
      `it refers to ${JSON.stringify(name.slice(0, 200))}, which is not selected`,
    );
  }
}

function* filenames(value: unknown, depth: number): Generator<string> {
  if (typeof value !== 'object' || value === null || depth > 16) return;
  for (const [key, member] of Object.entries(value)) {
    if (key === 'filename' && typeof member === 'string') yield member;
    else yield* filenames(member, depth + 1);
  }
}
