import { describe, expect, it } from 'vitest';
import {
  confirmedParameters,
  upgradePath,
} from '../../../../src/site/planning/constraints/upgrade-path.ts';
import { asking, packed } from '../../../support/constraint-input.ts';

describe('when a release can be upgraded only from certain versions', () => {
  const next = packed({ version: '1.4.0' }, { upgradeFrom: '>=1.2.0 <1.4.0' });

  it.each([
    ['1.1.9', false],
    ['1.2.0', true],
    ['1.3.9', true],
    ['2.0.0', false],
    ['1.4.0', true],
  ])('from %s: %s', (version, satisfied) => {
    expect(upgradePath(asking({ from: [packed({ version })], to: [next] }))).toEqual([
      {
        rule: 'upgrade-path',
        satisfied,
        needs: 'release chat 1.4.0 replaces a version >=1.2.0 <1.4.0',
        found: `release chat ${version}`,
      },
    ]);
  });

  it('may be the first, and may be returned to', () => {
    expect(upgradePath(asking({ to: [next] }))).toEqual([]);
    const from = [packed({ version: '9.0.0' })];
    expect(upgradePath(asking({ intent: 'rollback', from, to: [next] }))).toEqual([]);
  });
});

describe('when the major version changes', () => {
  const text = { type: 'string', default: 'a', description: '' } as const;
  const from = [packed({ version: '1.9.0' }, { parameters: { greeting: text, old: text } })];
  const to = [
    packed(
      { version: '2.0.0' },
      { parameters: { greeting: { ...text, default: 'b' }, fresh: text } },
    ),
  ];
  const parameters = { chat: { greeting: 'hi' } };

  it('asks a person to confirm the values of the site, and names what changed', () => {
    expect(confirmedParameters(asking({ from, to, settings: { parameters } }))).toEqual([
      {
        rule: 'confirmed',
        satisfied: false,
        needs:
          'confirmed.chat: 2 in site.yaml, after comparing parameters.chat with major version 2 (changed: fresh, greeting, old)',
        found: 'confirmed.chat is not set',
      },
    ]);
  });

  it.each([
    [{ chat: 2 }, true],
    [{ chat: 1 }, false],
    [{ chat: 3 }, false],
    [{ other: 2 }, false],
  ])('holds %j against it: %s', (confirmed, satisfied) => {
    const settings = { parameters, confirmed };
    expect(confirmedParameters(asking({ from, to, settings }))).toMatchObject([{ satisfied }]);
  });

  it('says no more than it knows of a predecessor that cannot be read', () => {
    const question = asking({ from, to, settings: { parameters } });
    const bundles = new Map(to.map((each) => [each.wanted.bundle, each.bundle]));
    const context = { ...question.context, change: { ...question.context.change, bundles } };
    expect(confirmedParameters({ ...question, context })[0]?.needs).not.toContain('changed');
  });

  it('asks for nothing without values, without a previous version, within a major version, or for a rollback', () => {
    const settings = { parameters };
    const near = [packed({ version: '2.1.0' })];
    for (const question of [
      asking({ from, to }),
      asking({ from, to, settings: { parameters: { other: { a: 1 } } } }),
      asking({ to, settings }),
      asking({ from: near, to, settings }),
      asking({ intent: 'rollback', from: to, to: from, settings }),
    ])
      expect(confirmedParameters(question)).toEqual([]);
  });
});
