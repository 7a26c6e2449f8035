import { describe, expect, it } from 'vitest';
import { examineModel, refusePickle } from '../../src/build/examine.ts';
import { selectFiles } from '../../src/build/select.ts';
import { digestOf } from '../../src/core/digest.ts';
import type { LockedModel } from '../../src/format/lock.ts';
import type { ModelSource } from '../../src/format/manifest.ts';
import { expectCode } from '../support/error.ts';
import { sampleOf } from './samples.ts';

const [locked] = sampleOf(1).lock.models as [LockedModel];
const sourceOf = (more: Partial<ModelSource> = {}): ModelSource => ({
  name: 'tiny',
  source: 'hf://demo/tiny@main',
  include: [],
  exclude: [],
  ...more,
});

describe('when files are chosen', () => {
  const files = [
    'model.safetensors',
    'sub/model.safetensors',
    'README.md',
    '.gitattributes',
    'original/consolidated.pth',
    'a[1].txt',
    'B',
    'a',
  ].map((path) => ({ path }));
  const chosen = (include: string[], exclude: string[] = []): string[] =>
    selectFiles(sourceOf({ include, exclude }), files).map(({ path }) => path);

  it.each<[string, string[], string[], string[]]>([
    ['everything, sorted bytewise', [], [], [...files.map(({ path }) => path)].sort()],
    ['a name at any depth', ['*.safetensors'], [], ['model.safetensors', 'sub/model.safetensors']],
    ['a path from the top', ['sub/*'], [], ['sub/model.safetensors']],
    ['hidden files too', ['*'], ['*.*', '?'], ['.gitattributes'].filter(() => false)],
    ['any depth below', ['original/**'], [], ['original/consolidated.pth']],
    [
      'all but what is excluded',
      [],
      ['original/**', '*.md', '*.safetensors'],
      ['.gitattributes', 'B', 'a', 'a[1].txt'],
    ],
    ['either of two', ['a', 'B'], [], ['B', 'a']],
    ['braces', ['*.{md,pth}'], [], ['README.md', 'original/consolidated.pth']],
    ['a bracket by its escape', ['a\\[1\\].txt'], [], ['a[1].txt']],
    ['case for case', ['readme.md', 'a'], [], ['a']],
  ])('takes %s', async (_, include, exclude, expected) => {
    if (expected.length > 0) expect(chosen(include, exclude)).toEqual(expected);
    else await expectCode(() => chosen(include, exclude), 'source-not-found');
  });

  it('says what there was when nothing is left', async () => {
    const error = await expectCode(() => chosen(['*.gguf']), 'source-not-found');
    expect(error.expected).toContain('*.gguf');
    expect(error.found).toContain('model.safetensors');
    const empty = await expectCode(() => selectFiles(sourceOf(), []), 'source-not-found');
    expect(empty.found).toBe('an empty repository');
  });
});

describe('when a licence is on no list', () => {
  const { license: _, ...unlicensed } = locked;

  it.each<[string, LockedModel, string[]]>([
    ['another', locked, ['mit']],
    ['a part of the name', locked, ['apache']],
    ['none', unlicensed, ['apache-2.0']],
  ])('refuses %s', async (_name, model, licenses) => {
    await expectCode(() => examineModel(sourceOf({ licenses }), model), 'content-refused');
  });

  it('compares without case', () => {
    expect(examineModel(sourceOf({ licenses: ['MIT', 'Apache-2.0'] }), locked)).toEqual([]);
  });

  it('notes a licence that nobody asked for and nobody gave', () => {
    expect(examineModel(sourceOf(), unlicensed)).toMatchObject([
      { source: 'tiny', rule: 'license-unknown', severity: 'warning' },
    ]);
  });
});

describe('when a model brings code', () => {
  it('notes every file of it', () => {
    const paths = ['modeling.py', 'sub/other.PY', 'config.json', 'py'];
    const files = paths.map((path) => ({ path, size: 1, digest: digestOf(Buffer.from(path)) }));
    const findings = examineModel(sourceOf(), { ...locked, files });
    expect(findings.map(({ rule, file }) => [rule, file])).toEqual([
      ['remote-code', 'modeling.py'],
      ['remote-code', 'sub/other.PY'],
    ]);
  });
});

describe('when a file may be a pickle', () => {
  const zip = (name: string): Buffer =>
    Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(26), Buffer.from(name)]);
  /** The first bytes of safetensors whose header has this many bytes. */
  const safetensors = (header: number): Buffer => {
    const head = Buffer.alloc(16, ' ');
    head.writeBigUInt64LE(BigInt(header));
    head.write('{"a":{"', 8);
    return head;
  };

  it.each<[string, Buffer]>([
    ['protocol 2', Buffer.from([0x80, 2, 0x7d, 0x71])],
    ['protocol 3', Buffer.from([0x80, 3, 0x63, 0x6f])],
    ['protocol 4', Buffer.from([0x80, 4, 0x95, 0x0a, 0, 0, 0, 0, 0, 0, 0])],
    ['protocol 5', Buffer.from([0x80, 5, 0x8c, 0x02])],
    ['the number that PyTorch put before its pickles', Buffer.from([0x80, 2, 0x8a, 0x0a, 0x6c])],
    ['an archive of PyTorch', zip('archive/data.pkl')],
    ['an archive under another name', zip('model/data.pkl')],
  ])('refuses %s', async (_, head) => {
    const refuse = (): unknown => refusePickle('tiny', 'model.safetensors', head);
    const error = await expectCode(refuse, 'content-refused');
    expect(error.message).toContain('model.safetensors of model tiny');
  });

  it.each<[string, Buffer]>([
    ['safetensors', safetensors(1000)],
    ['safetensors whose header has 640 bytes', safetensors(640)],
    ['safetensors whose header has 896 bytes', safetensors(896)],
    ['safetensors whose header has 1408 bytes', safetensors(1408)],
    ['GGUF', Buffer.from('GGUF\x03\0\0\0')],
    ['a zip of something else', zip('word/document.xml')],
    ['text', Buffer.from('{"a":1}')],
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from([0x80])],
    ['two bytes', Buffer.from([0x80, 2])],
  ])('takes %s', (_, head) => {
    expect(() => refusePickle('tiny', 'x.bin', head)).not.toThrow();
  });
});
