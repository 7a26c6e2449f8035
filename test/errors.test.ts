import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { errorPage, withRefusals } from '../scripts/build/error-page.ts';
import { errorCodes } from '../src/core/error.ts';
import { readSource } from './support/import-graph.ts';

const codes = Object.values(errorCodes).flat();
/** Files that list codes, and throw none of them. */
const LISTS = ['core/error.ts', 'core/failure-table.ts', 'core/refusal-table.ts'];
/** What examination refuses with. */
const EXAMINED = ['content-refused', 'source-unsupported'];
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
    expect([...(thrown.get('examine') ?? [])].toSorted()).toEqual(EXAMINED);
  });
});

describe('when the pages are made from the table', () => {
  const read = (page: string): string =>
    readFileSync(new URL(`../${page}`, import.meta.url), 'utf8');

  it('has manifests/ERRORS.md as it is made, with every code once', () => {
    const page = read('manifests/ERRORS.md');
    expect(page, 'run npm run errors').toBe(errorPage());
    for (const code of codes) expect(page.split(`| \`${code}\` |`), code).toHaveLength(2);
  });

  it('has the refusals of signing/refusals.html as they are made', () => {
    const page = read('signing/refusals.html');
    expect(page, 'run npm run errors').toBe(withRefusals(page, read('signing/card.html')));
  });

  it('has the head of signing/card.html in signing/refusals.html, except the title', () => {
    const [card, page] = ['signing/card.html', 'signing/refusals.html'].map(
      (each) => /^<!DOCTYPE html>.*<\/head>/s.exec(read(each))?.[0],
    );
    expect(card).toContain('<style>');
    expect(page).not.toBe(card);
    expect(page?.replace(/<title>.*<\/title>/, '')).toBe(card?.replace(/<title>.*<\/title>/, ''));
  });

  it('refuses a page without a place for them', () => {
    expect(() => withRefusals('<table></table>', '')).toThrow('signing/refusals.html');
  });

  it('has cells that cannot break their table or the markup', () => {
    expect(errorPage().match(/\|.*[<>&\\].*\|/g)).toBeNull();
  });
});
