import { describe, expect, it } from 'vitest';
import { ggmlTypes } from '../../src/examine/gguf.ts';
import { safetensorsDtypes } from '../../src/examine/safetensors.ts';
import { severityOf } from '../../src/format/finding.ts';
import { pythonPickles } from '../lab/python-pickles.ts';
import { soundFiles } from '../lab/sound-files.ts';
import { writeZip } from '../lab/zip.ts';
import { examine, rulesOf } from './examining.ts';

const corpus = soundFiles();

describe('when a file is well-formed', () => {
  it('covers every type', () => {
    expect(Object.keys(safetensorsDtypes)).toHaveLength(22);
    expect(ggmlTypes.size).toBe(34);
    expect(corpus.size).toBeGreaterThan(22 + 34 + 20);
  });

  it.each([...corpus])('accepts %s', async (path, bytes) => {
    const said = await examine({ [path]: bytes });
    expect(said.filter(({ rule }) => !['note'].includes(severityOf(rule)))).toEqual([]);
  });
});

describe('when a pickle contains only what weights need', () => {
  const pickles = pythonPickles();
  const harmless = [...pickles].filter(([name]) =>
    /^(?:data|ordered|frozen|pure|in-band|out-of-band)/.test(name),
  );

  it.each(harmless)('reports only that %s is a pickle', async (_, bytes) => {
    const rules = rulesOf(await examine({ 'model.pkl': bytes }));
    expect(rules.filter((rule) => rule !== 'pickle')).toEqual([]);
  });

  const state = [
    '\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01X\x01\0\0\0aq\x02',
    'ctorch._utils\n_rebuild_tensor_v2\nq\x03((X\x07\0\0\0storageq\x04ctorch\nFloatStorage\nq\x05',
    'X\x01\0\0\x000q\x06X\x03\0\0\0cpuq\x07K\x04tq\x08QK\x00K\x02K\x02\x86q\tK\x02K\x01\x86q\n\x89h\x00)Rq\x0btq\x0cRq\rs}q\x0eX\x09\0\0\0_metadataq\x0fh\x00)Rq\x10sb.',
  ].join('');
  const content = Buffer.from(state, 'latin1');

  it('reads a PyTorch state with storages that begin with any bytes', async () => {
    const bytes = writeZip([
      { name: 'archive/data.pkl', content, descriptor: true },
      {
        name: 'archive/data/0',
        content: Buffer.from('\x78\x9c\x80\x04PK\x03\x04', 'latin1'),
        descriptor: true,
      },
      { name: 'archive/data/1', content: Buffer.from('\x1f\x8b\x08\0aaaa', 'latin1') },
      { name: 'archive/version', content: Buffer.from('3\n') },
    ]);
    expect(rulesOf(await examine({ 'pytorch_model.bin': bytes }))).toEqual(['pickle']);
  });

  it('reads the old PyTorch format before zip files', async () => {
    const raw = (text: string): Buffer => Buffer.from(text, 'latin1');
    const parts = [
      raw('\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'),
      raw('\x80\x02M\xe9\x03.'),
      raw('\x80\x02}.'),
      content,
      raw('\x80\x02]X\x01\0\0\x000a.'),
    ];
    const bytes = Buffer.concat([...parts, Buffer.alloc(64, '\x93')]);
    expect(rulesOf(await examine({ 'pytorch_model.bin': bytes }))).toEqual(['pickle']);
  });
});
