import { writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { install } from '../../../src/site/applying/change-release.ts';
import { grantOverride } from '../../../src/site/applying/grant-override.ts';
import type { ImportOptions } from '../../../src/site/importing/import.ts';
import { readLedger } from '../../../src/site/ledger/site-ledger.ts';
import { overridableRules } from '../../../src/site/planning/constraints/override.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context, packedAt } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder(true);
let made: SmallBundle;

beforeAll(async () => {
  made = await smallBundle({ place: scratch.fresh() });
});

function open(): ImportOptions {
  const site = new SiteFolder(scratch.fresh('site'));
  return { ...context({ now: () => packedAt }), site, target: fakeTarget(), trust: made.trust };
}

const word = (values: Partial<Record<'rule' | 'by' | 'reason' | 'until', string>> = {}) => ({
  rule: 'window',
  by: 'A. Officer',
  reason: 'the model answers nonsense',
  until: '2026-11-21T12:00:00Z',
  ...values,
});

describe('when a person overrides a rule', () => {
  it('is recorded, also in receipt and ledger of the plan that used it', async () => {
    const options = open();
    await options.site.prepare();
    const windows = 'windows:\n  - { from: "00:00", to: "00:01" }\n';
    writeFileSync(
      options.site.path('site.yaml'),
      `apiVersion: stowage/v1\nname: vault\n${windows}`,
    );
    const error = await expectCode(() => install(made.folder, options), 'host-unfit');
    expect(error.found).toBe('Sat 10:00 in UTC; the next opens at 2026-11-22T00:00:00Z');
    await grantOverride(word(), options);
    const { plan, receipt } = await install(made.folder, options);
    expect(plan.constraints.find((each) => each.rule === 'window')).toMatchObject({
      satisfied: false,
      override: word(),
    });
    expect(receipt?.overrides).toEqual([word()]);
    const { entries } = await readLedger(options.site);
    expect(entries.map(({ event }) => event)).toContainEqual({ kind: 'overridden', ...word() });
    expect(entries.at(-1)?.event).toMatchObject({
      kind: 'command',
      detail: 'window overridden by A. Officer until 2026-11-21T12:00:00Z',
    });
  });

  const refused: readonly (readonly [string, Parameters<typeof word>[0]])[] = [
    ['a rule of what keeps the host whole', { rule: 'space' }],
    ['a port', { rule: 'port' }],
    ['a recall', { rule: 'recall' }],
    ['a channel', { rule: 'channel' }],
    ['a secret', { rule: 'secret' }],
    ['a platform', { rule: 'platform' }],
    ['a rule that there is not', { rule: 'nothing' }],
    ['a moment that is past', { until: '2026-11-21T10:00:00Z' }],
    ['more than seven days', { until: '2026-11-28T10:00:01Z' }],
    ['no moment', { until: 'tomorrow' }],
    ['nobody', { by: ' ' }],
    ['no reason', { reason: '' }],
    ['a reason of two lines', { reason: 'a\nb' }],
  ];
  it.each(refused)('refuses %s, and writes nothing', async (_, values) => {
    const options = open();
    await expectCode(() => grantOverride(word(values), options), 'usage-invalid');
    expect((await readLedger(options.site)).entries).toEqual([]);
  });

  it.each([
    ['one second', '2026-11-21T10:00:01Z'],
    ['seven days', '2026-11-28T10:00:00Z'],
  ])('takes %s', async (_, until) => {
    expect(await grantOverride(word({ until }), open())).toEqual(word({ until }));
  });

  it.each(overridableRules(fakeTarget()))('takes rule %s', async (rule) => {
    expect(await grantOverride(word({ rule }), open())).toMatchObject({ rule });
  });
});
