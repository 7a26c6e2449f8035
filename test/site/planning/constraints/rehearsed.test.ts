import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { canonicalBytes, type Json } from '../../../../src/core/json.ts';
import type { Constraint } from '../../../../src/format/plan.ts';
import { rehearsalPaths } from '../../../../src/format/rehearsal.ts';
import type { RehearsalRequirement } from '../../../../src/format/rehearsal-requirement.ts';
import { type Trust, trustBytes } from '../../../../src/format/trust.ts';
import { requireSatisfied } from '../../../../src/site/planning/constraints/check-constraints.ts';
import { rehearsed } from '../../../../src/site/planning/constraints/rehearsed.ts';
import { releaseFolder } from '../../../../src/site/release/release.ts';
import type { SiteFolder } from '../../../../src/site/site-folder.ts';
import { type Asking, asking, type Packed, packed } from '../../../support/constraint-input.ts';
import { expectCode } from '../../../support/error.ts';
import { planted, rehearsalOf, rehearsedBundle } from '../../../support/rehearsed.ts';
import { scratchFolder } from '../../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../../support/small-bundle.ts';
import { stagedSite } from '../../../support/staged-site.ts';

const scratch = scratchFolder(true);
let plain: SmallBundle;
let shown: SmallBundle;
let failed: SmallBundle;
const REHEARSED = '2026-11-20T10:00:00Z';
const daysLater = (days: number, ms = 0): Date =>
  new Date(Date.parse(REHEARSED) + days * 86_400_000 + ms);

beforeAll(async () => {
  plain = await smallBundle({ place: scratch.fresh() });
  shown = await rehearsedBundle(plain, scratch.copy(plain.folder));
  const next = await smallBundle({ place: scratch.fresh(), seq: 2, authority: plain.authority });
  const values = { passed: false, failures: ['server tried example.com port 443'] };
  // The program does not attach it; somebody else's may.
  const attached = await rehearsedBundle(next, scratch.copy(next.folder));
  const document = rehearsalOf(next.bundle, values);
  failed = planted(attached, canonicalBytes(document as unknown as Json));
});

const packedOf = ({ id, bundle }: SmallBundle): Packed => packed({ bundle: id }, bundle);

const siteWith = (small: SmallBundle): Promise<SiteFolder> =>
  stagedSite(scratch.fresh('site'), [small]);

/** The rules with what was found, without those that hold. */
async function unmet(
  small: SmallBundle,
  requireRehearsal: RehearsalRequirement | undefined,
  { site, settings = {}, ...values }: Asking = {},
): Promise<Constraint[]> {
  const asked = {
    now: daysLater(1),
    ...values,
    site: site ?? (await siteWith(small)),
    to: values.to ?? [packedOf(small)],
    settings: { ...(requireRehearsal && { requireRehearsal }), ...settings },
  };
  return (await rehearsed(asking(asked))).filter(({ satisfied }) => !satisfied);
}

describe('when a site requires a rehearsal', () => {
  it.each<[string, RehearsalRequirement | undefined, Date, readonly string[]]>([
    ['nothing is required', undefined, daysLater(1), []],
    ['exactly as old as it may be', { maxAgeDays: 30 }, daysLater(30), []],
    ['a millisecond older', { maxAgeDays: 30 }, daysLater(30, 1), ['rehearsal-age']],
    ['of another target', { maxAgeDays: 30, targets: ['docker'] }, daysLater(1), ['rehearsal']],
    [
      'of another target, and too old',
      { maxAgeDays: 1, targets: ['depot'] },
      daysLater(2),
      ['rehearsal', 'rehearsal-age'],
    ],
    ['of one of its targets', { maxAgeDays: 30, targets: ['docker', 'podman'] }, daysLater(1), []],
    ['made two days after now', { maxAgeDays: 30 }, daysLater(-2), ['rehearsal-age']],
  ])('%s', async (_, asked, now, expected) => {
    expect((await unmet(shown, asked, { now })).map(({ rule }) => rule)).toEqual(expected);
  });

  it('wants one on the target of the site, unless it names others', async () => {
    const site = await siteWith(shown);
    const settings = { target: 'docker' };
    const found = await unmet(shown, { maxAgeDays: 30 }, { site, settings });
    expect(found).toMatchObject([
      {
        rule: 'rehearsal',
        needs: 'a rehearsal that passed on docker for release chat 1.0.0 (site.yaml)',
        found: 'it was rehearsed on podman',
      },
    ]);
    const asked = { maxAgeDays: 30, targets: ['podman'] } as const;
    expect(await unmet(shown, asked, { site, settings })).toEqual([]);
  });

  it.each<[string, () => SmallBundle, string]>([
    ['without one', () => plain, 'none is attached to the bundle'],
    ['with one that failed', () => failed, 'it did not pass: server tried example.com port 443'],
  ])('refuses a bundle %s', async (_, small, reason) => {
    const [first, ...rest] = await unmet(small(), { maxAgeDays: 30 });
    expect(first).toMatchObject({ rule: 'rehearsal', found: reason });
    const error = await expectCode(
      () => requireSatisfied([first as Constraint, ...rest]),
      'rehearsal-missing',
    );
    expect(error).toMatchObject({ expected: first?.needs, found: reason, exitStatus: 10 });
  });

  it('refuses a late one with a code of its own', async () => {
    const found = await unmet(shown, { maxAgeDays: 30 }, { now: daysLater(31) });
    const error = await expectCode(() => requireSatisfied(found), 'rehearsal-late');
    expect(error.expected).toBe(
      'a rehearsal from the last 30 days for release chat 1.0.0 (site.yaml)',
    );
  });

  it.each(Object.values(rehearsalPaths))(
    'counts it as missing when %s was changed or removed at the site',
    async (path) => {
      const site = await siteWith(shown);
      const place = join(releaseFolder(site, shown.id), path);
      rmSync(place);
      expect((await unmet(shown, { maxAgeDays: 30 }, { site }))[0]?.found).toMatch(/found nothing/);
      writeFileSync(place, '{}');
      expect((await unmet(shown, { maxAgeDays: 30 }, { site }))[0]?.found).toMatch(
        /does not count/,
      );
    },
  );

  it('goes by the newest signed time that the site has seen, if the clock is behind', async () => {
    const accepted = {
      ...{ kind: 'accepted', product: 'chat', channel: 'stable', seq: 1 },
      ...{ bundle: shown.id, trust: 1, signedAt: daysLater(31).toISOString().replace('.000', '') },
    } as never;
    const ledger = [{ at: REHEARSED, event: accepted }];
    const found = await unmet(shown, { maxAgeDays: 30 }, { ledger, now: daysLater(1) });
    expect(found.map(({ rule }) => rule)).toEqual(['rehearsal-age']);
  });

  it('asks neither for a rollback nor for what is taken off', async () => {
    for (const intent of ['rollback', 'uninstall'] as const)
      expect(await unmet(plain, { maxAgeDays: 30 }, { intent })).toEqual([]);
  });

  it('does not ask again how old it is where the bundle runs already', async () => {
    const site = await siteWith(shown);
    const runs = packedOf(shown);
    const changed: Packed = {
      ...runs,
      wanted: { ...runs.wanted, texts: [{ sha256: '0'.repeat(64), text: 'x' }] },
    };
    const values = { site, from: [runs], to: [changed], now: daysLater(400) };
    expect(await unmet(shown, { maxAgeDays: 30 }, values)).toEqual([]);
    const elsewhere = { maxAgeDays: 30, targets: ['docker'] } as const;
    expect((await unmet(shown, elsewhere, values)).map(({ rule }) => rule)).toEqual(['rehearsal']);
  });
});

describe('when a trust document requires a rehearsal for a channel', () => {
  async function pinned(rehearsals: Trust['rehearsals']): Promise<SiteFolder> {
    const site = await siteWith(plain);
    const trust: Trust = {
      ...plain.trust,
      schema: 'stowage/trust/v2',
      ...(rehearsals && { rehearsals }),
    };
    writeFileSync(site.path('trust.json'), trustBytes(trust));
    return site;
  }

  it.each<[string, Trust['rehearsals'], object, number]>([
    ['its own', { stable: { maxAgeDays: 9 } }, {}, 2],
    ['another', { beta: { maxAgeDays: 9 } }, {}, 0],
    ['one that it was promoted to', { beta: { maxAgeDays: 9 } }, { channels: ['beta'] }, 2],
    ['both', { beta: { maxAgeDays: 9 }, stable: { maxAgeDays: 9 } }, { channel: 'beta' }, 4],
    ['one that is named like a method', { constructor: { maxAgeDays: 9 } }, {}, 0],
  ])('%s: %#', async (_, rehearsals, settings, count) => {
    const ledger = [
      {
        at: REHEARSED,
        event: { kind: 'promoted', bundle: plain.id, channel: 'beta', notice: '0'.repeat(128) },
      } as never,
    ];
    const site = await pinned(rehearsals);
    const found = await unmet(plain, undefined, { site, settings, ledger });
    expect(found).toHaveLength(count);
    for (const { needs } of found) expect(needs).toMatch(/\(trust document 1, channel /);
  });

  it('asks for both what it and site.yaml require', async () => {
    const site = await pinned({ stable: { maxAgeDays: 9 } });
    const found = await unmet(plain, { maxAgeDays: 30 }, { site });
    expect(found.map(({ needs }) => needs)).toEqual([
      'a rehearsal that passed on podman for release chat 1.0.0 (site.yaml)',
      'a rehearsal from the last 30 days for release chat 1.0.0 (site.yaml)',
      'a rehearsal that passed on podman for release chat 1.0.0 (trust document 1, channel stable)',
      'a rehearsal from the last 9 days for release chat 1.0.0 (trust document 1, channel stable)',
    ]);
  });
});
