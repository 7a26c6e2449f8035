import { describe, expect, it } from 'vitest';
import { selectFiles } from '../../src/build/select.ts';
import type { ModelSource } from '../../src/format/manifest.ts';
import { expectCode } from '../support/error.ts';

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
    ['a name at the top alone', ['model.safetensors'], [], ['model.safetensors']],
    ['a path from the top', ['sub/*'], [], ['sub/model.safetensors']],
    ['a folder', ['original/'], [], ['original/consolidated.pth']],
    ['hidden files too', ['*'], ['*.*', '?'], ['.gitattributes'].filter(() => false)],
    ['any depth below', ['original/**'], [], ['original/consolidated.pth']],
    [
      'all but what is excluded',
      [],
      ['original/**', '*.md', '*.safetensors'],
      ['.gitattributes', 'B', 'a', 'a[1].txt'],
    ],
    ['either of two', ['a', 'B'], [], ['B', 'a']],
    ['no braces', ['*.{md,pth}'], [], []],
    ['a bracket in a set', ['a[[]1].txt'], [], ['a[1].txt']],
    ['case for case', ['readme.md', 'a'], [], ['a']],
  ])('takes %s', async (_, include, exclude, expected) => {
    if (expected.length > 0) expect(chosen(include, exclude)).toEqual(expected);
    else await expectCode(() => chosen(include, exclude), 'source-not-found');
  });

  it('lists the available files if none is selected', async () => {
    const error = await expectCode(() => chosen(['*.gguf']), 'source-not-found');
    expect(error.expected).toContain('*.gguf');
    expect(error.found).toContain('model.safetensors');
    const empty = await expectCode(() => selectFiles(sourceOf(), []), 'source-not-found');
    expect(empty.found).toBe('an empty repository');
  });
});
