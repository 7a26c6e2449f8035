import { describe, expect, it } from 'vitest';
import { repositoryBy } from '../../src/push/name-rule.ts';
import { expectCode } from '../support/error.ts';

const named = {
  release: 'chat',
  version: '1.0.0',
  name: 'tiny',
  path: 'Example/Tiny-7B',
  registry: 'hub',
};

describe('when a rule gives names', () => {
  it.each([
    ['{release}/{name}', 'chat/tiny'],
    ['mirror/{registry}/{path}', 'mirror/hub/example/tiny-7b'],
    ['ai/{name}-{version}', 'ai/tiny-1.0.0'],
    ['one', 'one'],
  ])('makes of %s %s', (rule, name) => {
    expect(repositoryBy(rule, named)).toBe(name);
  });

  it.each(['', '/{name}', '{name}/', '{other}', '../{name}', '{name}:1', '{constructor}', 'a b'])(
    'refuses %s',
    async (rule) => {
      await expectCode(async () => repositoryBy(rule, named), 'usage-invalid');
    },
  );
});
