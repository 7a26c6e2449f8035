import { describe, expect, it } from 'vitest';
import { type ErrorCode, errorCodes, exitStatus } from '../src/core/error.ts';
import { errorTable, statusMeanings } from '../src/core/error-table.ts';
import { readSource } from './support/import-graph.ts';

const codes = Object.values(errorCodes).flat() as readonly ErrorCode[];
/** Files that list codes, and throw none of them. */
const LISTS = ['core/error.ts', 'core/error-table.ts', 'core/refusal-table.ts'];
/** How a change ended; not errors. */
const OUTCOMES = /'kept'[ |,]+'rolled-back'/g;
const COMPARED = /(?:[=!]== |case )'[a-z-]+'|\[[^\]]*\]\.includes\(\w+\.code\)/g;

/** The codes that the files of a folder throw or hand to what throws, by folder. */
const thrown = new Map<string, Set<string>>();
for (const { path, code } of readSource().values()) {
  const [folder = ''] = path.split('/');
  if (LISTS.includes(path) || folder === 'index.ts') continue;
  const text = code.replace(COMPARED, '').replace(OUTCOMES, '');
  const found = codes.filter((each) => text.includes(`'${each}'`));
  thrown.set(folder, new Set([...(thrown.get(folder) ?? []), ...found]));
}

describe('when the source throws', () => {
  it('has each code thrown somewhere', () => {
    const somewhere = new Set([...thrown.values()].flatMap((each) => [...each]));
    expect(codes.filter((code) => !somewhere.has(code))).toEqual([]);
  });

  it('sees what is thrown', () => {
    expect(thrown.size).toBeGreaterThan(10);
    expect([...(thrown.get('examine') ?? [])]).toEqual(['content-refused']);
  });
});

describe('when every error is explained', () => {
  it('explains each code once, under its exit status', () => {
    expect(errorTable.map((each) => each.code)).toEqual(codes);
    expect(Object.keys(statusMeanings)).toEqual(Object.keys(exitStatus));
  });

  it.each(errorTable)('says cause and remedy of $code in plain words', ({ cause, remedy }) => {
    for (const text of [cause, remedy]) {
      expect(text).toMatch(/^(?:[a-z]|SHA512SUMS|Ctrl-C)/);
      expect(text).not.toMatch(/\.$|\n|`| {2}/);
      expect(text.length).toBeGreaterThan(10);
      expect(text.length).toBeLessThan(125);
    }
  });

  it.each(errorTable)('never says how to skip a check: $code', ({ cause, remedy }) => {
    const skipping =
      /--(?:no|accept|skip|force|allow|ignore|insecure)|stowage override|\b(?:skip|bypass|disable|ignore|turn off|without checking)/;
    expect(`${cause}; ${remedy}`).not.toMatch(skipping);
  });
});
