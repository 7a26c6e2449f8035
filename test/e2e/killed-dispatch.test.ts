import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkFleet } from '../../src/fleet/check.ts';
import { dispatchesTo } from '../../src/fleet/dispatch.ts';
import { FleetFolder } from '../../src/fleet/fleet-folder.ts';
import { addRelease } from '../../src/fleet/record-fact.ts';
import { takeDocuments } from '../../src/fleet/take.ts';
import type { Dispatch } from '../../src/format/dispatch.ts';
import { encodeCertificate } from '../../src/trust/certificate-file.ts';
import { encodePrivateKey } from '../../src/trust/key.ts';
import { signed, siteSignerOf, writeDocuments } from '../lab/simulated-fleet.ts';
import { context, packedAt } from '../support/context.ts';
import { runProgram } from '../support/fake-terminal.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { addSites, authority, byEngineer, look, newFleet } from '../support/small-fleet.ts';

const scratch = scratchFolder(true);
const vault = { name: 'vault', signer: siteSignerOf('vault', new Date('2026-01-01T00:00:00Z')) };
const KILL = new URL('../support/kill-in-folder.ts', import.meta.url).href;
const WRITE = fileURLToPath(new URL('../support/write-next.ts', import.meta.url));
const place = scratch.fresh('place');
let old: SmallBundle;
let young: SmallBundle;

/** Runs `fleet next --write` with this moment of its end. @returns whether it was killed */
function write(root: string, moment: string): boolean {
  const { signal, status, stderr } = spawnSync(
    process.execPath,
    ['--import', KILL, WRITE, root, young.folder],
    { env: { ...process.env, STOWAGE_TEST_KILL: `${moment} ${root}` }, encoding: 'utf8' },
  );
  if (signal !== 'SIGKILL') expect(status, stderr).toBe(0);
  return signal === 'SIGKILL';
}

const dispatched = (root: string): Promise<Dispatch[]> =>
  look(new FleetFolder(join(root, 'works')), ({ database }) => dispatchesTo(database, 'vault'));

/** The media are whole: the notice and the increment verify. */
async function expectWhole(root: string): Promise<void> {
  expect(readdirSync(root).filter((name) => name.includes('partial'))).toEqual([]);
  const [increment = '', notice = ''] = readdirSync(join(root, 'media')).toSorted();
  expect([increment, notice]).toEqual([
    '1-chat-1.1.0',
    expect.stringMatching(/^notice-works-[12]$/),
  ]);
  for (const args of [[`media/${notice}`], ['--partial', `media/${increment}`]]) {
    const ran = await runProgram(['verify', ...args, '--trust', 'root.pem'], root);
    expect(ran.status, ran.stderr).toBe(0);
  }
}

beforeAll(async () => {
  const { key, certificate } = authority.signer;
  const shape = { authority, weightsOf: 'both', weights: 3_000_000 };
  old = await smallBundle({ ...shape, place: scratch.fresh('old') });
  young = await smallBundle({ ...shape, version: '1.1.0', seq: 2, place: scratch.fresh('young') });
  const fleet = await newFleet(join(place, 'works'));
  writeFileSync(join(place, 'root.pem'), encodeCertificate(authority.root));
  writeFileSync(join(place, 'release.key.pem'), encodePrivateKey(key));
  writeFileSync(join(place, 'release.pem'), encodeCertificate(certificate));
  await addSites(fleet, [vault]);
  for (const each of [old, young]) await addRelease(fleet, each.folder, byEngineer());
  const { name, version, seq } = old.bundle;
  const running = { name, version, seq, bundle: old.id };
  const receipt = signed(
    {
      schema: 'stowage/receipt/v4',
      ...{ site: 'vault', at: '2026-11-21T09:00:00Z', tool: 'stowage 0.1.0', intent: 'install' },
      ...{ outcome: 'kept', generation: 1, generations: [1], held: { blobs: 1, bytes: 1 } },
      releases: [running],
      holds: { bundles: [{ ...running, use: 'running' }], installers: [], free: 10_000_000 },
      ...{ health: [], gates: [] },
      host: { platform: 'linux/amd64', kernel: '6.1', engine: 'podman 5.2.0', labels: {} },
      ledger: { number: 4, digest: '4'.repeat(128) },
    },
    vault.signer,
    packedAt.getTime(),
  );
  const home = scratch.fresh('receipts');
  writeDocuments(home, [receipt]);
  await takeDocuments(fleet, [home], byEngineer());
  const recall = ['--versions', '1.0.0', '--reason', 'leak', '--forward'];
  const by = ['--key', 'release.key.pem', '--certificate', 'release.pem'];
  const ran = await runProgram(['fleet', 'recall', 'chat', ...recall, ...by], place, {
    ...{ env: { STOWAGE_FLEET: join(place, 'works') }, now: () => packedAt },
  });
  expect(ran.status, ran.stderr).toBe(0);
});

describe('when fleet next --write is killed', () => {
  it('leaves media that are whole or not there, and the next command writes them', async () => {
    const whole = scratch.copy(place);
    expect(write(whole, 'list')).toBe(false);
    await expectWhole(whole);
    const steps = Number(readFileSync(`${whole}.steps`, 'utf8'));
    expect(steps).toBeGreaterThan(20);
    let recorded = 0;
    for (let moment = 1; moment <= steps; moment += 1) {
      const root = scratch.copy(place);
      expect(write(root, String(moment)), `step ${moment}`).toBe(true);
      const before = await dispatched(root);
      recorded = Math.max(recorded, before.length);
      // Whoever finds the folder can carry it: it is recorded, and whole.
      if (existsSync(join(root, 'media'))) expect(before, `step ${moment}`).toHaveLength(1);
      else expect(write(root, 'list')).toBe(false);
      await expectWhole(root);
      const all = await dispatched(root);
      const serials = all.map(({ notice }) => notice?.serial);
      // No serial is used twice, whatever was carried.
      expect(serials, `step ${moment}`).toEqual(all.map((_, at) => at + 1));
      const { defects } = await checkFleet(new FleetFolder(join(root, 'works')), context());
      expect(defects, `step ${moment}`).toEqual([]);
      rmSync(root, { recursive: true });
    }
    expect(recorded).toBe(1);
  }, 3_000_000);
});
