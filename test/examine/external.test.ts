import { describe, expect, it } from 'vitest';
import { safetensorsFile } from '../lab/weights.ts';
import { tarOf } from '../support/tar.ts';
import { examine, type Files, lockFindings } from './examining.ts';

/**
 * Written by onnx 1.23.2: an initializer, an attribute of a node and the initializers of two subgraphs are in
 * m.onnx_data, which has 512 bytes.
 */
const onnx = Buffer.from(
  'CA46ywMKWxIBYyIIQ29uc3RhbnQqTAoFdmFsdWUqQAggEAFCAWtqFwoIbG9jYXRpb24SC20ub25ueF9kYXRhag0KBm9mZnNldBIDMzg0ag0KBmxlbmd0aBIDMTI4cAGgAQQKhgIKAWISAXkiAklmKnwKC2Vsc2VfYnJhbmNoMmoKEAoBaRIBbyIISWRlbnRpdHkSBHRoZW4qPwgQEAFCAWlqFwoIbG9jYXRpb24SC20ub25ueF9kYXRhag0KBm9mZnNldBIDMjU2agwKBmxlbmd0aBICNjRwAWIPCgFvEgoKCAgBEgQKAggQoAEFKnwKC3RoZW5fYnJhbmNoMmoKEAoBaRIBbyIISWRlbnRpdHkSBHRoZW4qPwgQEAFCAWlqFwoIbG9jYXRpb24SC20ub25ueF9kYXRhag0KBm9mZnNldBIDMzIwagwKBmxlbmd0aBICNjRwAWIPCgFvEgoKCAgBEgQKAggQoAEFEgFnKj4IQBABQgF3ahcKCGxvY2F0aW9uEgttLm9ubnhfZGF0YWoLCgZvZmZzZXQSATBqDQoGbGVuZ3RoEgMyNTZwAVoPCgFiEgoKCAgJEgQKAggBYg8KAXkSCgoICAESBAoCCBBCAhAc',
  'base64',
);
const network =
  '<?xml version="1.0"?>\n<net name="n" version="11"><layers><layer type="Const"><data element_type="f32" shape="8" offset="32" size="32"/></layer></layers></net>\n';
const bytes = (size: number): Buffer => Buffer.alloc(size);

const told = async (files: Files): Promise<string[]> =>
  (await examine(files))
    .filter(({ rule }) => /^(?:shard|file|onnx)-/.test(rule))
    .map(({ file, rule, detail }) => `${file} ${rule}: ${detail}`);
const missing = (file: string, name: string): string =>
  `${file} shard-missing: it refers to "${name}", which is not selected`;

describe('when a model refers to files with its weights', () => {
  it.each<[string, Files, string[]]>([
    ['ONNX with its data', { 'm.onnx': onnx, 'm.onnx_data': bytes(512) }, []],
    ['ONNX without', { 'm.onnx': onnx }, [missing('m.onnx', 'm.onnx_data')]],
    [
      'ONNX with data in another folder',
      { 'onnx/m.onnx': onnx, 'm.onnx_data': bytes(512) },
      [missing('onnx/m.onnx', 'm.onnx_data')],
    ],
    ['ONNX in a folder', { 'onnx/m.onnx': onnx, 'onnx/m.onnx_data': bytes(512) }, []],
    [
      'ONNX with data that is cut short',
      { 'm.onnx': onnx, 'm.onnx_data': bytes(511) },
      ['m.onnx file-cut: it refers to 512 bytes of "m.onnx_data", which has 511'],
    ],
    ['OpenVINO with its weights', { 'o/m.xml': network, 'o/m.bin': bytes(64) }, []],
    ['OpenVINO without', { 'o/m.xml': network }, [missing('o/m.xml', 'm.bin')]],
    [
      'OpenVINO with weights that are cut short',
      { 'm.xml': network, 'm.bin': bytes(63) },
      ['m.xml file-cut: it refers to 64 bytes of "m.bin", which has 63'],
    ],
    ['OpenVINO without constants', { 'm.xml': '<net name="n"><layers/></net>' }, []],
    ['other XML', { 'm.xml': '<mesh><data offset="1" size="2"/></mesh>' }, []],
    [
      'a constant where two reads meet',
      { 'm.xml': network.replace('<layers>', `<layers>${' '.repeat(1024 * 1024 - 130)}`) },
      [missing('m.xml', 'm.bin')],
    ],
    [
      'ONNX Runtime GenAI',
      {
        'genai_config.json': JSON.stringify({
          model: { decoder: { filename: 'd.onnx' }, vision: { filename: 'v.onnx' } },
        }),
        'd.onnx': Buffer.from([8, 7]),
      },
      [missing('genai_config.json', 'v.onnx')],
    ],
    [
      'an index of PyTorch',
      {
        'pytorch_model.bin.index.json': '{"weight_map": {"a": "pytorch_model-00001-of-00002.bin"}}',
      },
      [missing('pytorch_model.bin.index.json', 'pytorch_model-00001-of-00002.bin')],
    ],
    [
      'a model in a folder of files',
      { 'f.tar': tarOf({ path: 'a/m.xml', data: network }) },
      ['f.tar shard-missing: "a/m.xml": it refers to "m.bin", which is not selected'],
    ],
  ])('reports %s', async (_, files, expected) => {
    expect(await told(files)).toEqual(expected);
  });

  it('refuses an ONNX model that is cut at any byte of a field', async () => {
    for (let length = 2; length < onnx.length; length += 1) {
      const rules = await told({ 'm.onnx': onnx.subarray(0, length), 'm.onnx_data': bytes(512) });
      // Cut between two fields of the model, it is a shorter model.
      if ([2, 4, onnx.length - 4].includes(length)) continue;
      expect([length, rules.join()]).toEqual([length, expect.stringContaining('onnx-malformed')]);
    }
  });
});

describe('when a vision model of llama.cpp is selected without its projector', () => {
  const files = { 'm.gguf': Buffer.from('GGUF') };
  const listed = ['m.gguf', 'mmproj-F16.gguf'];
  const rules = async (model: object, all: Files = files): Promise<string[]> =>
    (await examine(all, { model, listed }))
      .filter(({ file }) => file.startsWith('mmproj'))
      .map(({ rule }) => rule);

  it('refuses it as a missing part, unless the manifest excludes the projector', async () => {
    expect(await rules({ include: ['m.gguf'] })).toEqual(['shard-missing']);
    expect(await rules({ exclude: ['mmproj*'] })).toEqual(['asset-projector']);
    expect(await rules({}, { ...files, 'mmproj-F16.gguf': files['m.gguf'] })).not.toContain(
      'shard-missing',
    );
  });

  it('refuses a projector alone', async () => {
    const alone = { 'mmproj-F16.gguf': files['m.gguf'] };
    expect(await rules({ include: ['mmproj*'] }, alone)).toContain('shard-missing');
  });
});

describe('when the same weights are selected more than once', () => {
  const weights = (size: number): Buffer => Buffer.alloc(size, size);
  const duplicates = async (sizes: Readonly<Record<string, number>>): Promise<string[]> => {
    const files = Object.fromEntries(
      Object.entries(sizes).map(([path, size]) => [path, weights(size)]),
    );
    const said = await examine(files);
    return said.flatMap(({ file, rule, detail }) =>
      rule === 'weights-duplicate' ? [`${file}: ${detail}`] : [],
    );
  };
  const shards = {
    'model-00001-of-00002.safetensors': 10,
    'model-00002-of-00002.safetensors': 11,
  };

  it.each<[string, Readonly<Record<string, number>>, string[]]>([
    ['nothing of shards', shards, []],
    [
      'nothing of one form in each folder',
      { 'a/model.safetensors': 9, 'b/model.safetensors': 8 },
      [],
    ],
    [
      'consolidated weights',
      { ...shards, 'consolidated.safetensors': 21 },
      ['consolidated.safetensors: the consolidated weights beside the same weights: 21 bytes'],
    ],
    [
      'folders and PyTorch weights, each with its bytes',
      {
        ...shards,
        'original/consolidated.00.pth': 20,
        'original/params.json': 5,
        'pytorch_model.bin': 22,
      },
      [
        'pytorch_model.bin: the PyTorch weights beside the same weights: 22 bytes',
        'original/consolidated.00.pth: original/ holds the same weights once more: 20 bytes',
      ],
    ],
    [
      'another precision in a folder of diffusers',
      {
        'unet/diffusion_pytorch_model.safetensors': 30,
        'unet/diffusion_pytorch_model.fp16.safetensors': 15,
      },
      [
        'unet/diffusion_pytorch_model.fp16.safetensors: another precision beside the same weights: 15 bytes',
      ],
    ],
    [
      'nothing of the same digest, which is carried once',
      { 'model.safetensors': 9, 'original/model.safetensors': 9 },
      [],
    ],
  ])('reports %s', async (_, sizes, expected) => {
    expect(await duplicates(sizes)).toEqual(expected);
  });

  it('offers the line that excludes them', async () => {
    const tensor = (size: number): Buffer =>
      safetensorsFile({ a: { dtype: 'U8', shape: [size], data_offsets: [0, size] } });
    const found = await lockFindings({
      'model.safetensors': tensor(8),
      'consolidated-00001-of-00002.safetensors': tensor(16),
      'consolidated-00002-of-00002.safetensors': tensor(24),
      'original/model.safetensors': tensor(32),
    });
    expect(
      found.flatMap(({ rule, offer }) => (rule === 'weights-duplicate' ? [offer] : [])),
    ).toEqual([
      '    exclude: [..., "consolidated-*-of-*.safetensors"]\n',
      '    exclude: [..., "original/"]\n',
    ]);
  });
});
