import { rmSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { changeFleet } from '../../src/fleet/change.ts';
import { checkFleet } from '../../src/fleet/check.ts';
import { type PromotionCheck, promotionChecks } from '../../src/fleet/evidence.ts';
import { type FleetFolder, releaseRehearsal } from '../../src/fleet/fleet-folder.ts';
import { withIndex } from '../../src/fleet/index/fleet-index.ts';
import { promoteRelease } from '../../src/fleet/promote.ts';
import { addRelease } from '../../src/fleet/record-fact.ts';
import { catalogOf, releaseNamed } from '../../src/fleet/releases.ts';
import { rehearsalPaths } from '../../src/format/rehearsal.ts';
import { context } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { rehearsedBundle } from '../support/rehearsed.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { authority, byEngineer, newFleet } from '../support/small-fleet.ts';

const scratch = scratchFolder(true);
const BY = { name: 'release', signer: authority.signer };
/** Thirty days after the rehearsal. */
const NOW = new Date('2026-12-20T10:00:00Z');
let plain: SmallBundle;
let shown: SmallBundle;

beforeAll(async () => {
  const made = { place: scratch.fresh('made'), authority, channel: 'candidate' };
  plain = await smallBundle({ ...made, version: '1.0.0', seq: 1 });
  const next = await smallBundle({ ...made, version: '1.1.0', seq: 2 });
  shown = await rehearsedBundle(next, scratch.copy(next.folder));
});

async function fleetWith(evidence: string): Promise<FleetFolder> {
  const folder = await newFleet(scratch.fresh('fleet'), authority.trust);
  writeFileSync(
    folder.path('fleet.yaml'),
    `apiVersion: stowage/v1\nname: works\nchannels:\n  candidate: {}\n  stable:\n    from: candidate\n    evidence: {${evidence}}\n`,
  );
  for (const each of [plain, shown]) await addRelease(folder, each.folder, byEngineer());
  return folder;
}

/** What is missing for a promotion. */
async function unmet(
  folder: FleetFolder,
  { id }: SmallBundle,
  now = NOW,
): Promise<PromotionCheck[]> {
  const settings = await folder.settings();
  return withIndex(folder, { ...context(), rebuild: true }, async ({ database }) => {
    const catalog = catalogOf(database);
    const release = releaseNamed(id, catalog);
    const input = { release, to: 'stable', settings, catalog, database, folder, now };
    return (await promotionChecks(input)).filter(({ satisfied }) => !satisfied);
  });
}

async function promote(folder: FleetFolder, { id }: SmallBundle, now = NOW): Promise<object> {
  const settings = await folder.settings();
  return changeFleet(folder, byEngineer({ now: () => now }), async (fleet) => {
    const release = releaseNamed(id, catalogOf(fleet.database));
    return promoteRelease(fleet, { release, to: 'stable', settings }, { by: BY, now });
  });
}

describe('when a promotion requires a rehearsal', () => {
  it.each([
    ['rehearsal: {maxAgeDays: 30}', NOW, []],
    ['rehearsal: {maxAgeDays: 30}', new Date(NOW.getTime() + 1), ['rehearsal-late']],
    ['rehearsal: {maxAgeDays: 29}', NOW, ['rehearsal-late']],
    ['rehearsal: {maxAgeDays: 30, targets: [podman]}', NOW, []],
    ['rehearsal: {maxAgeDays: 30, targets: [docker, kubernetes]}', NOW, ['rehearsal-missing']],
    ['', NOW, []],
  ])('by %s at %s: %j', async (evidence, now, codes) => {
    const folder = await fleetWith(evidence);
    const found = await unmet(folder, shown, now);
    expect(found.map(({ code }) => code)).toEqual(codes);
    for (const { hint } of found) expect(hint).toMatch(/attach the rehearsal before signing/);
  });

  it('promotes what has one, and refuses what has none', async () => {
    const folder = await fleetWith('rehearsal: {maxAgeDays: 30}');
    expect((await unmet(folder, plain)).map(({ found }) => found)).toEqual([
      'none is attached to the bundle',
      'no rehearsal',
    ]);
    const error = await expectCode(() => promote(folder, plain), 'promotion-blocked');
    expect(error).toMatchObject({
      expected: 'a rehearsal that passed; a rehearsal from the last 30 days',
      found: 'none is attached to the bundle; no rehearsal',
      hint: expect.stringContaining('lock the release again'),
    });
    expect(await promote(folder, shown)).toMatchObject({ inForce: true });
    expect((await checkFleet(folder, context({ now: () => NOW }))).defects).toEqual([]);
  });

  it.each(Object.values(rehearsalPaths))(
    'counts it as missing when %s was changed',
    async (path) => {
      const folder = await fleetWith('rehearsal: {maxAgeDays: 30}');
      const place = folder.path(releaseRehearsal(shown.id, path));
      writeFileSync(place, '{}');
      expect((await unmet(folder, shown))[0]).toMatchObject({
        code: 'rehearsal-missing',
        found: expect.stringContaining('is not what was recorded'),
      });
      expect((await checkFleet(folder, context())).defects).toHaveLength(1);
      rmSync(place);
      expect((await unmet(folder, shown))[0]?.found).toContain('is missing');
    },
  );
});
