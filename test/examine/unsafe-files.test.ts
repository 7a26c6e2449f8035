import { describe, expect, it } from 'vitest';
import { isAllowable, ruleNames, severityOf } from '../../src/format/finding.ts';
import { pythonPickles } from '../lab/python-pickles.ts';
import { unsafeFiles } from '../lab/unsafe-files.ts';
import { expectCode } from '../support/error.ts';
import { examine, lockFindings, rulesOf } from './examining.ts';

const corpus = unsafeFiles(pythonPickles());

describe('when a file is refused', () => {
  it('has a corpus that covers most rules', () => {
    expect(corpus.length).toBeGreaterThan(150);
    const shown = new Set(corpus.map((each) => each.rule));
    const refusals = ruleNames.filter((each) => severityOf(each) === 'refusal');
    // These take several files, or more than memory, and have tests of their own.
    const others = [
      'shard-index',
      'shard-missing',
      'shard-tensor',
      'license-refused',
      'remote-code-trusted',
      'archive-too-large',
      'examine-limit',
      'hub-unsafe',
      'object-image',
    ];
    expect(refusals.filter((each) => !shown.has(each)).sort()).toEqual(others.sort());
  });

  it.each(corpus.map((each) => [each.title, each] as const))(
    'stops %s',
    async (_, { path, rule, bytes }) => {
      const said = await examine({ [path]: bytes });
      expect(rulesOf(said)).toContain(rule);
      const error = await expectCode(() => lockFindings({ [path]: bytes }), 'content-refused');
      expect(error.defects.join('\n')).toContain(`[${rule}]`);
    },
  );

  it('still refuses what cannot be allowed if everything else is allowed', async () => {
    const allow = ruleNames
      .filter(isAllowable)
      .map((rule) => ({ rule, file: '*', reason: 'looked at' }));
    for (const { path, rule, bytes } of corpus) {
      if (isAllowable(rule)) continue;
      await expectCode(
        () => lockFindings({ [path]: bytes }, { model: { allow } }),
        'content-refused',
      );
    }
  });
});
