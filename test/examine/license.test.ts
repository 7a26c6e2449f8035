import { describe, expect, it } from 'vitest';
import { cardLicenses } from '../../src/examine/license.ts';
import { isLicenseAllowed } from '../../src/examine/license-expression.ts';
import { examine, rulesOf } from './examining.ts';

describe('when a license is checked against a list', () => {
  it.each<[string, string[], boolean]>([
    ['apache-2.0', ['Apache-2.0'], true],
    ['llama3.1', ['llama3.1'], true],
    ['nvidia-open-model-license', ['nvidia-open-model-license'], true],
    ['Llama 3.1 Community License', ['llama  3.1 community license'], true],
    ['mit', ['apache-2.0'], false],
    ['apache', ['apache-2.0'], false],
    ['MIT OR Apache-2.0', ['mit'], true],
    ['MIT AND Apache-2.0', ['mit'], false],
    ['MIT AND Apache-2.0', ['mit', 'apache-2.0'], true],
    ['MIT OR GPL-3.0 AND BSD-3-Clause', ['mit'], true],
    ['(MIT OR GPL-3.0) AND BSD-3-Clause', ['mit'], false],
    ['(MIT OR GPL-3.0) AND BSD-3-Clause', ['mit', 'bsd-3-clause'], true],
    ['((MIT))', ['mit'], true],
    ['Apache-2.0 WITH LLVM-exception', ['apache-2.0'], true],
    ['Apache-2.0 WITH LLVM-exception', ['apache-2.0 with llvm-exception'], true],
    ['GPL-2.0 WITH Classpath-exception-2.0', ['classpath-exception-2.0'], false],
    ['Apache-2.0+', ['apache-2.0'], true],
    ['(MIT', ['mit'], false],
    ['MIT)', ['mit'], false],
    ['MIT OR', ['mit'], false],
    ['MIT Apache-2.0', ['mit'], false],
    ['OR', ['mit'], false],
    ['', ['mit'], false],
    [`${'('.repeat(400)}MIT${')'.repeat(400)}`, ['mit'], false],
  ])('%s with the list %j: %s', (license, list, allowed) => {
    expect(isLicenseAllowed(license, list)).toBe(allowed);
  });
});

describe('when a model card states a license', () => {
  const card = (front: string): Buffer => Buffer.from(`---\n${front}\n---\n\n# A card\n`);

  it.each<[string, Buffer, string[] | undefined]>([
    ['one', card('license: mit'), ['mit']],
    ['several', card('license: [mit, apache-2.0]'), ['mit', 'apache-2.0']],
    [
      'another',
      card('license: other\nlicense_name: deepseek\nlicense_link: LICENSE'),
      ['deepseek'],
    ],
    ['another without a name', card('license: other'), ['other']],
    ['none', card('tags: [a]'), []],
    ['nothing at all', Buffer.from('# A card\n'), []],
    ['with CRLF', Buffer.from('---\r\nlicense: mit\r\n---\r\n'), ['mit']],
    ['unreadably', card('license: [mit'), undefined],
    ['as a number', card('license: 5'), undefined],
  ])('reads %s', (_, text, licenses) => {
    expect(cardLicenses(text)).toEqual(licenses);
  });

  const said = async (
    front: string,
    license: string | undefined,
    licenses?: string[],
  ): Promise<string[]> =>
    rulesOf(
      await examine(
        { 'README.md': card(front) },
        { license, model: licenses === undefined ? {} : { licenses } },
      ),
    );

  it.each<[string, string, string | undefined, string[] | undefined, string[]]>([
    ['nothing of one that is on the list', 'license: mit', 'mit', ['mit'], []],
    ['that one is not on the list', 'license: mit', 'mit', ['apache-2.0'], ['license-refused']],
    ['that the card names another', 'license: mit', 'apache-2.0', undefined, ['license-differs']],
    [
      'that the one of the card is not on the list',
      'license: gpl-3.0',
      'mit',
      ['mit'],
      ['license-differs', 'license-refused'],
    ],
    [
      'that one of several is not on the list',
      'license: [mit, gpl-3.0]',
      'mit',
      ['mit'],
      ['license-refused'],
    ],
    ['that there is none', 'tags: []', undefined, undefined, ['license-unknown']],
    [
      'that there is none for the list',
      'tags: []',
      undefined,
      ['mit'],
      ['license-refused', 'license-unknown'],
    ],
    ['that the card cannot be read', 'license: [', 'mit', ['mit'], ['card-unreadable']],
  ])('reports %s', async (_, front, hub, licenses, rules) => {
    expect(await said(front, hub, licenses)).toEqual(rules);
  });

  it('names the license, the model and the list', async () => {
    const front = { 'README.md': card('license: cc-by-nc-4.0') };
    const found = await examine(front, { license: 'cc-by-nc-4.0', model: { licenses: ['mit'] } });
    expect(found.map(({ detail }) => detail)).toEqual([
      'license cc-by-nc-4.0 of model tiny is not in licenses: [mit]',
    ]);
  });

  it('records the hash of a license file', async () => {
    expect(rulesOf(await examine({ 'LICENSE.txt': 'terms', 'sub/COPYING': 'terms' }))).toEqual([
      'license-file',
    ]);
  });
});
