import { exactBytes } from '../core/text.ts';
import type { LockedModelFile } from '../format/locked-content.ts';
import type { Extra } from './examine-content.ts';
import { exactGlob } from './glob.ts';

type DuplicateReport = (
  file: string,
  rule: 'weights-duplicate',
  detail: string,
  extra: Extra,
) => void;

interface Form {
  readonly name: string;
  /** The weights in this form, by the names of their files. */
  readonly files: RegExp;
}

const STEM = '(?:model|pytorch_model|diffusion_pytorch_model)';
const SHARD = '(?:-\\d{5,6}-of-\\d{5,6})';

/** The forms in which repositories hold the same weights side by side; the first that is selected is kept. */
const FORMS: readonly Form[] = [
  form('the shards', `${STEM}${SHARD}\\.safetensors`),
  form('the single file', `${STEM}\\.safetensors`),
  form('the consolidated weights', 'consolidated[\\w.-]*\\.safetensors'),
  form('another precision', `${STEM}\\.[\\w-]+${SHARD}?\\.safetensors`),
  form('the PyTorch weights', `${STEM}${SHARD}?\\.bin`),
  form('the consolidated weights', 'consolidated[\\w.-]*\\.pth'),
  form('the TensorFlow weights', 'tf_model[\\w.-]*\\.h5'),
  form('the Flax weights', 'flax_model[\\w.-]*\\.msgpack'),
  form('the Rust weights', 'rust_model\\.ot'),
];
/** Folders at the top that hold the weights of the model once more, in the form of a publisher or of another server. */
const FOLDERS = ['original/', 'metal/', 'onnx/', 'openvino/', 'coreml/'];
const WEIGHTS =
  /\.(?:safetensors|gguf|bin|pth?|ckpt|onnx|onnx_data|onnx\.data|h5|msgpack|mlmodel|mlpackage|weights)$/i;

function form(name: string, pattern: string): Form {
  return { name, files: new RegExp(`^${pattern}$`, 'i') };
}

/** Reports weights that are selected in several forms, with the bytes that each further form costs. */
export function examineDuplicates(
  files: readonly LockedModelFile[],
  report: DuplicateReport,
): void {
  const folderOf = ({ path }: LockedModelFile): string => path.slice(0, path.lastIndexOf('/') + 1);
  const folders = Map.groupBy(files, folderOf);
  const top = formsIn(folders.get('') ?? [], '')[0]?.files;
  const again = top === undefined ? [] : FOLDERS.filter((each) => hasWeights(files, each));
  for (const [folder, members] of folders) {
    if (again.some((each) => folder.startsWith(each))) continue;
    const [kept, ...others] = formsIn(members, folder);
    for (const { name, files: some } of others)
      tell(kept?.files ?? [], some, report, {
        what: `${name} beside the same weights`,
        exclude: some.map(({ path }) => path),
      });
  }
  for (const folder of again)
    tell(top ?? [], weightsIn(files, folder), report, {
      what: `${folder} holds the same weights once more`,
      exclude: [folder],
    });
}

/** The forms in which weights are in a folder, the one to keep first. */
function formsIn(
  members: readonly LockedModelFile[],
  folder: string,
): { readonly name: string; readonly files: readonly LockedModelFile[] }[] {
  return FORMS.map(({ name, files: pattern }) => ({
    name,
    files: members.filter(({ path }) => pattern.test(path.slice(folder.length))),
  })).filter(({ files }) => files.length > 0);
}

function weightsIn(files: readonly LockedModelFile[], folder: string): LockedModelFile[] {
  return files.filter(({ path }) => path.startsWith(folder) && WEIGHTS.test(path));
}

function hasWeights(files: readonly LockedModelFile[], folder: string): boolean {
  return weightsIn(files, folder).length > 0;
}

function tell(
  kept: readonly LockedModelFile[],
  again: readonly LockedModelFile[],
  report: DuplicateReport,
  { what, exclude }: { readonly what: string; readonly exclude: readonly string[] },
): void {
  const counted = new Set(kept.map(({ digest }) => digest));
  // A digest is in a bundle once, however many files have it.
  const extra = new Map(
    again.filter(({ digest }) => !counted.has(digest)).map((each) => [each.digest, each]),
  );
  const bytes = [...extra.values()].reduce((sum, { size }) => sum + size, 0);
  const [first] = extra.values();
  if (first === undefined || bytes === 0) return;
  report(first.path, 'weights-duplicate', `${what}: ${exactBytes(bytes)}`, {
    offer: excludeLine(exclude),
  });
}

/** The line of a manifest that excludes these paths, with one glob for files that differ in their numbers. */
function excludeLine(paths: readonly string[]): string {
  const numbered = Map.groupBy(paths, (path) => exactGlob(path).replace(/\d{2,}/g, '*'));
  const globs = [...numbered].map(([glob, [only = '', ...more]]) =>
    more.length === 0 ? exactGlob(only) : glob,
  );
  return `    exclude: [${['...', ...globs.slice(0, 20).map((each) => JSON.stringify(each))].join(', ')}]\n`;
}
