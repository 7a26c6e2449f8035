import { describe, expect, it } from 'vitest';
import { nextImport } from '../../../src/cli/commands/incoming-lines.ts';

describe('when an import is incomplete', () => {
  it.each([
    ['that came on discs', { seen: [1], of: 3 }, 'stowage import DISC'],
    ['that came on no discs', { seen: [], of: undefined }, 'import the complete bundle'],
  ])('says what to do about one %s', (_, discs, words) => {
    expect(nextImport({ discs } as never)).toMatch(/^next: .*stowage repair-list$/);
    expect(nextImport({ discs } as never)).toContain(words);
  });
});
