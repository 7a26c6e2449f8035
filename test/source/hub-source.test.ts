import { describe, expect, it } from 'vitest';
import { parseHubSource } from '../../src/source/hub-source.ts';
import { expectCode } from '../support/error.ts';

describe('a model source', () => {
  it.each([
    ['hf://org/name', 'org/name', 'main'],
    ['hf://org/name@v1.2', 'org/name', 'v1.2'],
    ['hf://Org/Na.me_x-1@refs/pr/1', 'Org/Na.me_x-1', 'refs/pr/1'],
    [`hf://org/name@${'a'.repeat(40)}`, 'org/name', 'a'.repeat(40)],
  ])('%s is read', (source, repository, revision) => {
    expect(parseHubSource(source)).toEqual({ repository, revision });
  });

  it.each([
    '',
    'org/name',
    'https://huggingface.co/org/name',
    'hf://name',
    'hf://org/name/more',
    'hf://org/..',
    'hf://../name',
    'hf://org/na..me',
    'hf://org/name@',
    'hf://org/name@../x',
    'hf://org/name@a..b',
    'hf://org/name@a b',
    'hf://org/name?x=1',
    'hf://org/name@v1\n',
  ])('%j is refused', async (source) => {
    await expectCode(() => parseHubSource(source), 'manifest-invalid');
  });
});
