import type { Rule } from '../format/finding.ts';
import type { Weights } from './examine-content.ts';

export type FileReport = (file: string, rule: Rule, detail: string) => void;

const INDEX = /\.index(?:\.[\w-]+)?\.json$/;
const NUMBERED = /^(.*?)[_-](\d{5,6})-of-(\d{5,6})\.(safetensors|gguf|bin)$/;
const MAX_NAMED = 20;

export function isShardIndex(path: string): boolean {
  return INDEX.test(path);
}

/**
 * Whether an index of shards tells the truth: each shard is taken, each tensor is in its shard, and the sizes add up.
 * @param index the index's text
 * @param weights what the heads of the model's files say, by path; every file of the model has a key
 */
export function examineShardIndex(
  path: string,
  index: Buffer,
  weights: ReadonlyMap<string, Weights>,
  report: FileReport,
): void {
  const found = parseIndex(index);
  if (found === undefined) {
    report(path, 'shard-index', 'an index without a map from tensors to files');
    return;
  }
  const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/') + 1) : '';
  const missing = new Set<string>();
  const absent: string[] = [];
  for (const [tensor, shard] of found.map) {
    const held = weights.get(folder + shard);
    if (held === undefined) missing.add(shard);
    else if (held.tensors !== undefined && !held.tensors.has(tensor)) absent.push(tensor);
  }
  for (const shard of [...missing].sort().slice(0, MAX_NAMED))
    report(path, 'shard-missing', `it names ${JSON.stringify(shard)}, which is not taken`);
  if (absent.length > 0)
    report(
      path,
      'shard-tensor',
      `${absent.length} tensors are not where it says: ${JSON.stringify(absent[0])}`,
    );
  if (missing.size > 0 || absent.length > 0 || found.total === undefined) return;
  const shards = [...new Set(found.map.values())].map(
    (shard) => weights.get(folder + shard)?.tensors,
  );
  if (shards.some((each) => each === undefined)) return;
  const total = shards
    .flatMap((each) => [...(each?.values() ?? [])])
    .reduce((sum, size) => sum + size, 0);
  if (total !== found.total)
    report(path, 'shard-total', `it says ${found.total} bytes, and the tensors have ${total}`);
}

/** Files numbered `00001-of-00005`, and GGUF files that say how many they are: all of them are there. */
export function examineNumbered(weights: ReadonlyMap<string, Weights>, report: FileReport): void {
  const sets = new Set<string>();
  for (const [path, { gguf }] of weights) {
    const split = Number(gguf?.numbers.get('split.count') ?? 0);
    const [, stem, number = '', total = '', extension] = NUMBERED.exec(path) ?? [];
    if (stem === undefined) {
      if (split > 1) report(path, 'shard-missing', `a part of ${split} with a name that says none`);
      continue;
    }
    const count = Number(total);
    if (split > 0 && split !== count)
      report(path, 'shard-index', `its name says ${count} parts and its key split.count ${split}`);
    const place = gguf?.numbers.get('split.no');
    if (place !== undefined && Number(place) !== Number(number) - 1)
      report(
        path,
        'shard-index',
        `its name says part ${Number(number)} and its key split.no ${place}`,
      );
    const key = `${stem} ${total} ${extension}`;
    if (sets.has(key)) continue;
    sets.add(key);
    const separator = path[stem.length] ?? '-';
    const missing: string[] = [];
    for (let each = 1; each <= count && missing.length < MAX_NAMED; each += 1) {
      const name = `${stem}${separator}${String(each).padStart(number.length, '0')}-of-${total}.${extension}`;
      if (!weights.has(name)) missing.push(name);
    }
    if (missing.length > 0)
      report(path, 'shard-missing', `a part of ${count}: ${missing.join(', ')} not taken`);
    else if (extension === 'gguf')
      checkSplitTensors(stem, total, separator, number.length, weights, report);
  }
}

function checkSplitTensors(
  stem: string,
  total: string,
  separator: string,
  digits: number,
  weights: ReadonlyMap<string, Weights>,
  report: FileReport,
): void {
  let tensors = 0;
  let said: bigint | undefined;
  const first = `${stem}${separator}${'1'.padStart(digits, '0')}-of-${total}.gguf`;
  for (let each = 1; each <= Number(total); each += 1) {
    const name = `${stem}${separator}${String(each).padStart(digits, '0')}-of-${total}.gguf`;
    const gguf = weights.get(name)?.gguf;
    if (gguf === undefined) return;
    tensors += gguf.tensors.length;
    said ??= gguf.numbers.get('split.tensors.count');
  }
  if (said !== undefined && Number(said) !== tensors)
    report(
      first,
      'shard-tensor',
      `its key split.tensors.count says ${said}, and the parts have ${tensors}`,
    );
}

function parseIndex(
  text: Buffer,
): { map: ReadonlyMap<string, string>; total: number | undefined } | undefined {
  let index: unknown;
  try {
    index = JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof index !== 'object' || index === null || !('weight_map' in index)) return undefined;
  const { weight_map: found } = index;
  if (typeof found !== 'object' || found === null) return undefined;
  const map = new Map<string, string>();
  for (const [tensor, shard] of Object.entries(found)) {
    if (typeof shard !== 'string') return undefined;
    map.set(tensor, shard);
  }
  const metadata = 'metadata' in index ? index.metadata : undefined;
  const total =
    typeof metadata === 'object' && metadata !== null && 'total_size' in metadata
      ? metadata.total_size
      : undefined;
  return { map, total: typeof total === 'number' ? total : undefined };
}
