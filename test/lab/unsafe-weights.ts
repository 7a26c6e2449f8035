import type { Rule } from '../../src/format/finding.ts';
import type { UnsafeFile } from './unsafe-files.ts';
import {
  type GgufShape,
  gguf,
  ggufFile,
  type SafetensorsShape,
  safetensorsFile,
  u64,
} from './weights.ts';

/** Safetensors and GGUF files that break one rule of their format each. */
export function unsafeWeights(): UnsafeFile[] {
  return [...safetensors(), ...ggufs()];
}

function safetensors(): UnsafeFile[] {
  const a = { dtype: 'F32', shape: [2], data_offsets: [0, 8] } as const;
  const file = (
    title: string,
    rule: Rule,
    tensors: Parameters<typeof safetensorsFile>[0] = { a },
    shape: SafetensorsShape = {},
  ): UnsafeFile => ({
    title,
    path: 'model.safetensors',
    rule,
    bytes: safetensorsFile(tensors, shape),
  });
  const text = (title: string, rule: Rule, header: string | Buffer): UnsafeFile =>
    file(title, rule, { a }, { text: header });
  return [
    {
      title: 'an empty file',
      path: 'model.safetensors',
      rule: 'file-empty',
      bytes: Buffer.alloc(0),
    },
    file('a header longer than the file', 'safetensors-length', { a }, { length: 10_000n }),
    file('a header of 100,000,001 bytes', 'safetensors-length', { a }, { length: 100_000_001n }),
    file('a header of 2^64 - 1 bytes', 'safetensors-length', { a }, { length: 2n ** 64n - 1n }),
    text('a header that is a list', 'safetensors-json', '[1]'),
    text('a header cut short', 'safetensors-json', '{"a":{"dtype":"F32","shape":[2],'),
    text(
      'something behind the header',
      'safetensors-json',
      '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}x',
    ),
    text('a header that is no UTF-8', 'safetensors-json', Buffer.from('{"\xff":{}}', 'latin1')),
    text(
      'a control character in a name',
      'safetensors-json',
      '{"a\nb":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    ),
    text(
      'a tensor twice',
      'safetensors-duplicate',
      '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    ),
    text(
      'a tensor twice, once escaped',
      'safetensors-duplicate',
      '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\\u0061":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    ),
    text(
      'a dtype twice',
      'safetensors-duplicate',
      '{"a":{"dtype":"F32","dtype":"F64","shape":[2],"data_offsets":[0,8]}}',
    ),
    file('metadata that are a number', 'safetensors-metadata', { a, __metadata__: { format: 1 } }),
    file('metadata in metadata', 'safetensors-metadata', { a, __metadata__: { format: {} } }),
    file('a negative offset', 'safetensors-tensor', { a: { ...a, data_offsets: [-8, 0] } }),
    text(
      'an offset with an exponent',
      'safetensors-tensor',
      '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8e0]}}',
    ),
    file('three offsets', 'safetensors-tensor', { a: { ...a, data_offsets: [0, 8, 8] } }),
    file('no shape', 'safetensors-tensor', { a: { dtype: 'F32', data_offsets: [0, 8] } }),
    file('a member too many', 'safetensors-tensor', { a: { ...a, path: '/etc/passwd' } }),
    file('a shape that does not fit', 'safetensors-tensor', { a: { ...a, shape: [3] } }),
    text(
      'a shape that overflows to what fits',
      'safetensors-tensor',
      '{"a":{"dtype":"F32","shape":[4611686018427387906],"data_offsets":[0,8]}}',
    ),
    file('half a byte of F4', 'safetensors-tensor', {
      a: { dtype: 'F4', shape: [3], data_offsets: [0, 1] },
    }),
    file('an end before the beginning', 'safetensors-offsets', {
      a: { ...a, data_offsets: [8, 0] },
    }),
    file('a hole before the first', 'safetensors-offsets', { a: { ...a, data_offsets: [8, 16] } }),
    file('a hole between two', 'safetensors-offsets', { a, b: { ...a, data_offsets: [16, 24] } }),
    file('one over another', 'safetensors-offsets', { a, b: { ...a, data_offsets: [4, 12] } }),
    file('a tail', 'safetensors-size', { a }, { data: 9 }),
    file('data cut short', 'safetensors-size', { a }, { data: 7 }),
  ];
}

function ggufs(): UnsafeFile[] {
  const file = (title: string, rule: Rule, shape: GgufShape): UnsafeFile => ({
    title: `GGUF: ${title}`,
    path: 'model.gguf',
    rule,
    bytes: ggufFile(shape),
  });
  const { u32, text, array, value } = gguf;
  const key = (title: string, rule: Rule, name: string | Buffer, bytes: Buffer): UnsafeFile =>
    file(title, rule, { keys: [[name, bytes]] });
  const nested = [1, 2, 3, 4].reduce(
    (inner) => Buffer.concat([u32(9), u64(1), inner]),
    Buffer.concat([u32(4), u64(0)]),
  );
  return [
    file('another magic', 'gguf-magic', { magic: 'GGML' }),
    file('version 1', 'gguf-version', { version: 1 }),
    file('version 4', 'gguf-version', { version: 4 }),
    file('2^60 tensors', 'gguf-limit', { tensorCount: 2n ** 60n }),
    file('2^60 keys', 'gguf-limit', { keyCount: 2n ** 60n }),
    key('an array of 2^50 elements', 'gguf-limit', 'a', array(0, [], 2 ** 50)),
    key('a text of 2^40 bytes', 'gguf-limit', 'a', Buffer.concat([u32(8), u64(2 ** 40)])),
    key('a key without a name', 'gguf-key', '', value(4, u32(1))),
    key('a key of 70,000 bytes', 'gguf-key', 'k'.repeat(70_000), value(4, u32(1))),
    key('a key with a line feed', 'gguf-key', 'a\nb', value(4, u32(1))),
    file('a key twice', 'gguf-key', {
      keys: [
        ['a', value(4, u32(1))],
        ['a', value(4, u32(2))],
      ],
    }),
    key('a value of type 13', 'gguf-value', 'a', value(13, u32(1))),
    key('an array of type 99', 'gguf-value', 'a', array(99, [])),
    key('a boolean of 2', 'gguf-value', 'a', value(7, Buffer.of(2))),
    key('arrays nested five deep', 'gguf-value', 'a', Buffer.concat([u32(9), nested])),
    key('an alignment of 0', 'gguf-alignment', 'general.alignment', value(4, u32(0))),
    key('an alignment of 24', 'gguf-alignment', 'general.alignment', value(4, u32(24))),
    file('five dimensions', 'gguf-tensor', { tensors: [{ dims: [1, 1, 1, 1, 1] }], data: 32 }),
    file('a dimension of 0', 'gguf-tensor', { tensors: [{ dims: [0] }] }),
    file('dimensions that overflow', 'gguf-tensor', {
      tensors: [{ dims: [2n ** 32n, 2n ** 32n] }],
    }),
    file('a tensor twice', 'gguf-tensor', { tensors: [{}, { offset: 128 }], data: 256 }),
    file('a tensor with a name of 64 bytes', 'gguf-tensor', {
      tensors: [{ name: 'n'.repeat(64) }],
      data: 128,
    }),
    file('a row that is no block', 'gguf-tensor', { tensors: [{ dims: [33], type: 2 }], data: 64 }),
    file('a type that was taken back', 'gguf-type', { tensors: [{ type: 31 }], data: 128 }),
    file('a type of the future', 'gguf-type', { tensors: [{ type: 999 }], data: 128 }),
    file('an offset beside the alignment', 'gguf-offset', { tensors: [{ offset: 4 }], data: 256 }),
    file('a hole', 'gguf-offset', { tensors: [{ offset: 64 }], data: 256 }),
    file('a tensor over another', 'gguf-offset', {
      tensors: [{}, { name: 'b', offset: 64 }],
      data: 256,
    }),
    file('a tensor behind the file', 'gguf-truncated', { tensors: [{ dims: [1024] }], data: 128 }),
    {
      title: 'GGUF: a head that is cut',
      path: 'model.gguf',
      rule: 'gguf-truncated',
      bytes: ggufFile({ tensors: [{}] }).subarray(0, 60),
    },
    {
      title: 'GGUF: a template that climbs',
      path: 'model.gguf',
      rule: 'chat-template-unsafe',
      bytes: ggufFile({ keys: [['tokenizer.chat_template', value(8, text('{{ x.__class__ }}'))]] }),
    },
  ];
}
