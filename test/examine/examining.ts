import { digestOf } from '../../src/core/digest.ts';
import { memoryBytes } from '../../src/examine/bytes.ts';
import { examineLock } from '../../src/examine/examine-lock.ts';
import { examineModel } from '../../src/examine/examine-model.ts';
import { checkDocument } from '../../src/format/document.ts';
import type { Finding, Rule } from '../../src/format/finding.ts';
import type { LockedModel } from '../../src/format/locked-content.ts';
import { type Manifest, type ModelSource, manifestKind } from '../../src/format/manifest.ts';

export type Files = Readonly<Record<string, Buffer | string>>;

export interface Setting {
  readonly model?: Partial<ModelSource>;
  readonly manifest?: Record<string, unknown>;
  readonly license?: string | undefined;
  readonly listed?: readonly string[];
}

/** What is said of one file: rule, file, and the words. */
export interface Said {
  readonly file: string;
  readonly rule: Rule;
  readonly detail: string;
}

const { signal } = new AbortController();

function prepare(
  files: Files,
  setting: Setting,
): { manifest: Manifest; model: LockedModel; source: ModelSource } {
  const manifest = checkDocument(manifestKind, {
    apiVersion: 'stowage/v1',
    name: 'chat',
    version: '1.0.0',
    models: [{ name: 'tiny', source: 'hf://demo/tiny@main', ...setting.model }],
    ...setting.manifest,
  });
  const [source] = manifest.models as [ModelSource];
  const license = 'license' in setting ? setting.license : 'apache-2.0';
  const model: LockedModel = {
    name: 'tiny',
    source: source.source,
    endpoint: 'https://hub.example',
    repository: 'demo/tiny',
    commit: 'c'.repeat(40),
    ...(license === undefined ? {} : { license }),
    gated: false,
    files: Object.entries(files).map(([path, content]) => {
      const bytes = Buffer.from(content as Buffer);
      return { path, size: bytes.length, digest: digestOf(bytes) };
    }),
  };
  return { manifest, model, source };
}

/** Everything that is said of a model with these files. */
export async function examine(files: Files, setting: Setting = {}): Promise<Said[]> {
  const said: Said[] = [];
  await examineModel({
    ...prepare(files, setting),
    signal,
    ...(setting.listed === undefined ? {} : { listed: setting.listed }),
    open: (file, work) => work(memoryBytes(Buffer.from(files[file.path] as Buffer)), false),
    report: (file, rule, detail) => void said.push({ file, rule, detail }),
  });
  return said;
}

export const rulesOf = (said: readonly Said[]): Rule[] =>
  [...new Set(said.map((each) => each.rule))].sort();

/** The same as a lock does it: refusals thrown, findings typed and sorted. */
export async function lockFindings(files: Files, setting: Setting = {}): Promise<Finding[]> {
  const { manifest, model } = prepare(files, setting);
  return examineLock({
    manifest,
    models: [model],
    files: [],
    signal,
    ...(setting.listed === undefined ? {} : { listed: new Map([['tiny', setting.listed]]) }),
    open: (file, _model, work) => work(memoryBytes(Buffer.from(files[file.path] as Buffer)), false),
  });
}
