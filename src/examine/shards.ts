import { counted } from '../core/text.ts';
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
 * Checks an index of shards: each shard is selected, each tensor is in its shard, and the sizes add up.
 * @param index the content of the index
 * @param weights what the headers of the model's files say, by path; every file of the model has a key
 */
export function examineShardIndex(
  path: string,
  index: Buffer,
  weights: ReadonlyMap<string, Weights>,
  report: FileReport,
): void {
  const found = parseIndex(index);
  if (found === undefined) {
    report(path, 'shard-index', 'the index does not map tensors to files');
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
    report(path, 'shard-missing', `it refers to ${JSON.stringify(shard)}, which is not selected`);
  if (absent.length > 0)
    report(
      path,
      'shard-tensor',
      `${counted(absent.length, 'tensor')} missing from the listed part, for example ${JSON.stringify(absent[0])}`,
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
    report(
      path,
      'shard-total',
      `the index states ${counted(found.total, 'byte')}, but the tensors have ${total}`,
    );
}

/** Checks that files numbered `00001-of-00005` are complete, and that split GGUF files agree with their names. */
export function examineNumbered(weights: ReadonlyMap<string, Weights>, report: FileReport): void {
  const sets = new Set<string>();
  for (const [path, { gguf }] of weights) {
    const split = Number(gguf?.numbers.get('split.count') ?? 0);
    const [, stem, number = '', total = '', extension] = NUMBERED.exec(path) ?? [];
    if (stem === undefined) {
      if (split > 1)
        report(
          path,
          'shard-missing',
          `one of ${counted(split, 'part')}, but its name has no part number`,
        );
      continue;
    }
    const count = Number(total);
    if (split > 0 && split !== count)
      report(
        path,
        'shard-index',
        `${counted(count, 'part')} according to its name, but ${split} according to split.count`,
      );
    const place = gguf?.numbers.get('split.no');
    if (place !== undefined && Number(place) !== Number(number) - 1)
      report(
        path,
        'shard-index',
        `part ${Number(number)} according to its name, but split.no is ${place}`,
      );
    const key = `${stem} ${total} ${extension}`;
    if (sets.has(key)) continue;
    sets.add(key);
    const separator = path[stem.length] ?? '-';
    const nameOf = (part: number): string =>
      `${stem}${separator}${String(part).padStart(number.length, '0')}-of-${total}.${extension}`;
    const missing: string[] = [];
    for (let each = 1; each <= count && missing.length < MAX_NAMED; each += 1)
      if (!weights.has(nameOf(each))) missing.push(nameOf(each));
    if (missing.length > 0)
      report(
        path,
        'shard-missing',
        `one of ${counted(count, 'part')}; not selected: ${missing.join(', ')}`,
      );
    else if (extension === 'gguf') checkSplitTensors(nameOf, count, weights, report);
  }
}

function checkSplitTensors(
  nameOf: (part: number) => string,
  count: number,
  weights: ReadonlyMap<string, Weights>,
  report: FileReport,
): void {
  let tensors = 0;
  let said: bigint | undefined;
  for (let each = 1; each <= count; each += 1) {
    const gguf = weights.get(nameOf(each))?.gguf;
    if (gguf === undefined) return;
    tensors += gguf.tensors;
    said ??= gguf.numbers.get('split.tensors.count');
  }
  if (said !== undefined && Number(said) !== tensors)
    report(
      nameOf(1),
      'shard-tensor',
      `split.tensors.count is ${said}, but the parts have ${counted(tensors, 'tensor')}`,
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
