import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { gitBlobHash } from '../../src/source/git-objects.ts';

describe('the git blob hash', () => {
  // `git hash-object`
  it.each([
    ['', 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'],
    ['hello\n', 'ce013625030ba8dba906f756967f9e9ca394464a'],
  ])('of %j is the one that git computes', (text, oid) => {
    const { algorithm, prefix } = gitBlobHash(text.length);
    expect(createHash(algorithm).update(prefix).update(text).digest('hex')).toBe(oid);
  });
});
