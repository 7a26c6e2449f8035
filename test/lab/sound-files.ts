import { gzipSync } from 'node:zlib';
import { ggmlTypes } from '../../src/examine/gguf.ts';
import { safetensorsDtypes } from '../../src/examine/safetensors.ts';
import { tarOf } from '../support/tar.ts';
import { gguf, ggufFile, safetensorsFile } from './weights.ts';
import { writeZip } from './zip.ts';

/** Well-formed files by name: every dtype of safetensors, every type of ggml, every kind of value, plain texts. */
export function soundFiles(): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const [dtype, bits] of Object.entries(safetensorsDtypes)) {
    const end = (4 * 8 * bits) / 8;
    const a = { dtype, shape: [4, 8], data_offsets: [0, end] as const };
    files.set(`${dtype}.safetensors`, safetensorsFile({ __metadata__: { format: 'pt' }, a }));
  }
  for (const [type, { name, elements, bytes }] of ggmlTypes) {
    const tensor = (offset: number, label: string): object => ({
      name: label,
      dims: [elements * 2, 3],
      type,
      offset,
    });
    const padded = Math.ceil((bytes * 6) / 32) * 32;
    files.set(
      `${name}.gguf`,
      ggufFile({ tensors: [tensor(0, 'a'), tensor(padded, 'b')], data: padded * 2 }),
    );
  }
  for (const [name, bytes] of others()) files.set(name, bytes);
  return files;
}

function others(): (readonly [string, Buffer])[] {
  const { u32, text, array, value } = gguf;
  const scalars = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
  const values = scalars.flatMap((size, type) =>
    size === 0 ? [] : [[`v.${type}`, value(type, Buffer.alloc(size, 1))] as const],
  );
  const arrays = scalars.flatMap((size, type) =>
    size === 0 ? [] : [[`a.${type}`, array(type, [Buffer.alloc(size * 3)], 3)] as const],
  );
  return [
    ['empty.safetensors', safetensorsFile({})],
    [
      'empty-tensor.safetensors',
      safetensorsFile({
        a: { dtype: 'F32', shape: [0, 4], data_offsets: [0, 0] },
        b: { dtype: 'F32', shape: [], data_offsets: [0, 4] },
      }),
    ],
    // Its length begins like a pickle's protocol.
    ['header-640.safetensors', safetensorsFile({}, { text: '{}'.padEnd(640) })],
    [
      'out-of-order.safetensors',
      safetensorsFile({
        b: { dtype: 'U8', shape: [8], data_offsets: [8, 16] },
        'a é "': { dtype: 'U8', shape: [8], data_offsets: [0, 8] },
      }),
    ],
    [
      'values.gguf',
      ggufFile({
        keys: [
          ...values,
          ...arrays,
          ['t', value(8, text('ö'))],
          ['s', array(8, [text('a'), text('')])],
          ['n', array(9, [Buffer.concat([u32(4), u32(1), u32(0), u32(7)])])],
        ],
      }),
    ],
    ['version-2.gguf', ggufFile({ version: 2 })],
    ['big-endian.gguf', ggufFile({ bigEndian: true, keys: [], tensors: [{}], data: 128 })],
    [
      'alignment.gguf',
      ggufFile({
        alignment: 64,
        keys: [['general.alignment', value(4, u32(64))]],
        tensors: [{ dims: [3] }, { name: 'b', offset: 64 }],
        data: 192,
      }),
    ],
    ['without-tensors.gguf', ggufFile()],
    ['config.json', Buffer.from('{"model_type":"llama","architectures":["LlamaForCausalLM"]}')],
    ['LICENSE', Buffer.from('Apache License\n')],
    ['vocab.txt', Buffer.from('cat\ndog\ncertifi\nnumpy\n')],
    ['requirements.txt', Buffer.from('certifi\nnumpy\nidna\n')],
    ['notes.md', Buffer.from('N.B. Python is not a pickle.\nI1\n.')],
    ['words.txt', Buffer.from('import x\nx^2\nP\n(.')],
    ['empty.txt', Buffer.alloc(0)],
    ['openvino_model.bin', Buffer.alloc(0)],
    ['page.html', Buffer.from('<!DOCTYPE html><html></html>')],
    ['lfs.md', Buffer.from('A pointer begins with:\nversion https://git-lfs.github.com/spec/v1\n')],
    ['tokenizer.json', Buffer.from('\ufeff\n{"model": {}}\n\n')],
    ['a.tiktoken', Buffer.from('IQ== 0\nIg== 1\n')],
    ['crlf.tiktoken', Buffer.from('IQ== 0\r\nIg== 1')],
    ['.gitattributes', Buffer.from('*.bin filter=lfs\n')],
    ['picture.png', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')],
    [
      'document.zip',
      writeZip([
        { name: 'word/', content: Buffer.alloc(0) },
        { name: 'word/a.xml', content: Buffer.from('<a/>'.repeat(99)), deflate: true },
        { name: 'b', content: Buffer.from('b'), descriptor: true, deflate: true },
      ]),
    ],
    [
      'wide.zip',
      writeZip([{ name: 'a', content: Buffer.from('a'), zip64: true }], { zip64: true }),
    ],
    ['settings.tar', tarOf({ path: 'a/b.txt', data: 'x' }, { path: 'c', data: 'y'.repeat(600) })],
    ['words.txt.gz', gzipSync(Buffer.from('words '.repeat(100)))],
    [
      'a.npy',
      Buffer.concat([
        Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1'),
        Buffer.from(
          `${"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".padEnd(117)}\n`,
        ),
        Buffer.alloc(24),
      ]),
    ],
  ];
}
