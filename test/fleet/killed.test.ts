import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkFleet } from '../../src/fleet/check.ts';
import { FleetFolder } from '../../src/fleet/fleet-folder.ts';
import { takeDocuments } from '../../src/fleet/take.ts';
import {
  type SimulatedSite,
  simulatedReleases,
  simulateSites,
  writeDocuments,
} from '../lab/simulated-fleet.ts';
import { context, packedAt } from '../support/context.ts';
import { scratchFolder } from '../support/scratch.ts';
import { addSites, byEngineer, contentsOf, newFleet } from '../support/small-fleet.ts';

const scratch = scratchFolder(true);
const [site] = [
  ...simulateSites({
    ...{ seed: 3, sites: 1, receipts: 2, faulty: 0, until: packedAt },
    releases: simulatedReleases(2),
  }),
] as [SimulatedSite];
const home = scratch.fresh('home');
writeDocuments(home, site.documents);
const KILL = new URL('../support/kill-in-folder.ts', import.meta.url).href;
const TAKE = fileURLToPath(new URL('../support/take-documents.ts', import.meta.url));

/** Runs `fleet take` with this moment of its end. @returns whether it was killed */
function take(folder: FleetFolder, moment: string): boolean {
  const { signal, status, stderr } = spawnSync(
    process.execPath,
    [...['--import', KILL], ...[TAKE, folder.root, home]],
    { env: { ...process.env, STOWAGE_TEST_KILL: `${moment} ${folder.root}` }, encoding: 'utf8' },
  );
  if (signal !== 'SIGKILL') expect(status, stderr).toBe(0);
  return signal === 'SIGKILL';
}

let empty: FleetFolder;
let steps = 0;
let expected: object;

beforeAll(async () => {
  empty = await newFleet(scratch.fresh('fleet'));
  await addSites(empty, [site]);
  const whole = new FleetFolder(scratch.copy(empty.root));
  expect(take(whole, 'list')).toBe(false);
  steps = Number(readFileSync(`${whole.root}.steps`, 'utf8'));
  expected = await contentsOf(whole);
});

describe('when fleet take is killed', () => {
  it('leaves what the next command completes, at every write, sync and rename', async () => {
    expect(steps).toBeGreaterThan(12);
    for (let moment = 1; moment <= steps; moment++) {
      const folder = new FleetFolder(scratch.copy(empty.root));
      expect(take(folder, String(moment)), `step ${moment}`).toBe(true);
      await takeDocuments(folder, [home], byEngineer({ now: () => packedAt }));
      expect(await contentsOf(folder), `step ${moment}`).toEqual(expected);
      const { defects } = await checkFleet(folder, context());
      expect(defects, `step ${moment}`).toEqual([]);
    }
  }, 400_000);
});
