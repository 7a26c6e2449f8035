import { describe, expect, it } from 'vitest';
import { gguf, ggufFile, safetensorsFile } from '../lab/weights.ts';
import { examine, type Files, rulesOf } from './examining.ts';

const shard = (...names: string[]): Buffer =>
  safetensorsFile(
    Object.fromEntries(
      names.map((name, index) => [
        name,
        { dtype: 'U8', shape: [8], data_offsets: [index * 8, index * 8 + 8] },
      ]),
    ),
  );
const index = (map: object, total: unknown = 24): string =>
  JSON.stringify({ metadata: { total_size: total }, weight_map: map });
const ONE = 'model-00001-of-00002.safetensors';
const TWO = 'model-00002-of-00002.safetensors';
const INDEX = 'model.safetensors.index.json';
const map = { a: ONE, b: ONE, c: TWO };
const whole: Files = { [ONE]: shard('a', 'b'), [TWO]: shard('c'), [INDEX]: index(map) };
const { [TWO]: _, ...half } = whole;

describe('when a model is in shards', () => {
  const told = async (files: Files): Promise<string[]> =>
    rulesOf(await examine(files)).filter((rule) => rule.startsWith('shard'));

  it.each<[string, Files, string[]]>([
    ['nothing of a whole one', whole, []],
    [
      'nothing of one in a folder',
      Object.fromEntries(Object.entries(whole).map(([path, bytes]) => [`a/${path}`, bytes])),
      [],
    ],
    ['that a shard is missing', half, ['shard-missing']],
    ['that a shard is missing without an index', { [ONE]: shard('a') }, ['shard-missing']],
    [
      'that shards of pickles are missing',
      { 'pytorch_model.bin.index.json': index({ a: 'pytorch_model-00001-of-00002.bin' }) },
      ['shard-missing'],
    ],
    [
      'that a tensor is not in its shard',
      { ...whole, [INDEX]: index({ ...map, d: TWO }) },
      ['shard-tensor'],
    ],
    [
      'that a tensor is in another shard',
      { ...whole, [INDEX]: index({ ...map, a: TWO }) },
      ['shard-tensor'],
    ],
    ['that the sizes do not add up', { ...whole, [INDEX]: index(map, 25) }, ['shard-total']],
    ['nothing where the index gives no size', { ...whole, [INDEX]: index(map, null) }, []],
    ['that an index is none', { ...whole, [INDEX]: '{"weight_map":[1]}' }, ['shard-index']],
    ['that an index is no JSON', { ...whole, [INDEX]: '{' }, ['shard-index']],
    [
      'that an index leads out of the folder',
      { ...whole, [INDEX]: index({ ...map, d: '../../x' }) },
      ['shard-missing'],
    ],
    [
      'that __proto__ is no shard',
      { ...whole, [INDEX]: '{"weight_map":{"__proto__":"x"}}' },
      ['shard-missing'],
    ],
  ])('reports %s', async (_name, files, rules) => {
    expect(await told(files)).toEqual(rules);
  });

  const part = (no: number, count: number, tensors = 2): Buffer =>
    ggufFile({
      keys: [
        ['split.no', gguf.value(2, Buffer.from(Uint16Array.of(no).buffer))],
        ['split.count', gguf.value(2, Buffer.from(Uint16Array.of(count).buffer))],
        ['split.tensors.count', gguf.value(5, gguf.u32(tensors))],
      ],
      tensors: [{ name: `t${no}` }],
      data: 128,
    });
  it.each<[string, Files, string[]]>([
    [
      'nothing of a whole one',
      { 'm-00001-of-00002.gguf': part(0, 2), 'm-00002-of-00002.gguf': part(1, 2) },
      [],
    ],
    ['that a part is missing', { 'm-00001-of-00002.gguf': part(0, 2) }, ['shard-missing']],
    ['that a part without a number is one of several', { 'm.gguf': part(0, 2) }, ['shard-missing']],
    ['a name with another count', { 'm-00001-of-00001.gguf': part(0, 2, 1) }, ['shard-index']],
    [
      'that a part has another place',
      { 'm-00001-of-00002.gguf': part(1, 2), 'm-00002-of-00002.gguf': part(1, 2) },
      ['shard-index'],
    ],
    [
      'that tensors are missing',
      { 'm-00001-of-00002.gguf': part(0, 2), 'm-00002-of-00002.gguf': part(1, 2, 3) },
      [],
    ],
    [
      'that the first counts others',
      { 'm-00001-of-00002.gguf': part(0, 2, 3), 'm-00002-of-00002.gguf': part(1, 2, 3) },
      ['shard-tensor'],
    ],
  ])('reports GGUF: %s', async (_name, files, rules) => {
    expect(await told(files)).toEqual(rules);
  });
});
