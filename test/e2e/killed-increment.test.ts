import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { openBundle } from '../../src/cli/commands/open-bundle.ts';
import { commonTo, holdingsOf, incrementOf } from '../../src/content/increment.ts';
import { MIB } from '../../src/core/limits.ts';
import { allParts } from '../../src/format/bundle.ts';
import { discRuns, writeDisc, writeDiscs } from '../../src/io/discs/write-discs.ts';
import { encodePem } from '../../src/trust/pem.ts';
import { context } from '../support/context.ts';
import { flipBit } from '../support/flip-bit.ts';
import { scratchFolder } from '../support/scratch.ts';
import { pattern, type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { type Ran, stowage } from './cli.ts';

const scratch = scratchFolder(true);
const project = fileURLToPath(new URL('../..', import.meta.url));
const KILL = new URL('../support/kill-in-folder.ts', import.meta.url).href;
const PART = 4 * MIB;
/** At most so many kills of one import. */
const KILLS = 20;
let base: SmallBundle;
let next: SmallBundle;
let increment: string;
let discs: readonly string[];
let trust: readonly string[];
/** A site that stores the first bundle. */
let template: string;

const weightsOfParts = (parts: string): Buffer =>
  Buffer.concat([...parts].map((each) => pattern(PART, each)));

beforeAll(async () => {
  const shape = { partSize: PART, installer: true };
  base = await smallBundle({
    ...{ ...shape, place: scratch.fresh(), weightsBytes: weightsOfParts('abcd') },
  });
  next = await smallBundle({
    ...{ ...shape, place: scratch.fresh(), authority: base.authority, version: '2.0.0', seq: 2 },
    weightsBytes: weightsOfParts('aXcb'),
  });
  const site = {
    site: 'vault',
    platform: 'linux/amd64',
    unknown: [],
    ...holdingsOf([base.bundle]),
  };
  const { omitted } = incrementOf(next.bundle, commonTo([site]));
  increment = scratch.fresh('increment');
  const opened = await openBundle(next.folder);
  const parts = allParts(next.bundle);
  const rest = parts.filter(({ path }) => !omitted.has(path));
  await writeDisc({ ...opened, move: false, omitted }, rest, increment, context());
  const runs = discRuns(next.bundle, { discSize: 9 * MIB, control: [MIB] });
  discs = await writeDiscs({ ...opened, move: false }, runs, scratch.fresh('discs'), context());
  const root = scratch.fresh('root.pem');
  writeFileSync(root, encodePem('CERTIFICATE', base.root.der));
  trust = ['--trust', root, '--fingerprint', base.root.fingerprint];
  template = scratch.fresh('template');
  mkdirSync(template);
  writeFileSync(
    join(template, 'site.yaml'),
    'apiVersion: stowage/v1\nname: vault\ntarget: depot\n',
  );
  await complete(await run(template, base.folder, ...trust));
});

const run = (site: string, ...places: readonly string[]): Promise<Ran> =>
  stowage({ cwd: scratch.root }, 'import', ...places, '--site', site);

async function complete({ status, json, stderr }: Ran): Promise<void> {
  expect(status, stderr).toBe(0);
  expect(json).toMatchObject({ complete: true });
}

/** Imports in a process that is killed before its n-th write. @returns whether it was killed */
function killed(site: string, place: string, moment: string): boolean {
  const program = join(project, 'dist/main.js');
  const { signal, status, stderr } = spawnSync(
    join(project, 'node_modules/.bin/node'),
    ['--import', KILL, program, 'import', place, '--site', site],
    { env: { ...process.env, STOWAGE_TEST_KILL: `${moment} ${site}` }, encoding: 'utf8' },
  );
  if (signal !== 'SIGKILL') expect(status, stderr).toBe(0);
  return signal === 'SIGKILL';
}

const stored = (site: string, { bundle }: SmallBundle): string =>
  join(site, 'store/blobs/sha256', bundle.models[0]?.files[0]?.digest.slice(7) ?? '');

function expectWhole(site: string): void {
  expect(readFileSync(stored(site, next)).equals(weightsOfParts('aXcb'))).toBe(true);
  expect(readdirSync(join(site, 'staging'))).toEqual([]);
}

describe('when the import of an increment is killed', () => {
  it('is completed by the same command, or by discs of the whole, at every moment', async () => {
    const whole = scratch.copy(template);
    expect(killed(whole, increment, 'list')).toBe(false);
    const steps = Number(readFileSync(`${whole}.steps`, 'utf8'));
    expect(steps).toBeGreaterThan(20);
    expectWhole(whole);
    const stride = Math.max(1, Math.ceil(steps / KILLS));
    let kills = 0;
    for (let moment = 1; moment <= steps; moment += stride) {
      const site = scratch.copy(template);
      if (!killed(site, increment, String(moment))) continue;
      kills += 1;
      // In turn: once more, all discs of the whole, and after another kill.
      if (kills % 3 === 1) await complete(await run(site, ...discs));
      else {
        if (kills % 3 === 2) killed(site, increment, '5');
        await complete(await run(site, increment));
      }
      expectWhole(site);
      // Twice.
      if (kills % 10 === 0) await complete(await run(site, increment));
      rmSync(site, { recursive: true });
    }
    console.info(`${kills} kills at ${steps} writes, each import completed`);
    expect(kills).toBeGreaterThan(10);
  });
});

describe('when an increment and discs of the whole are mixed', () => {
  it.each([
    ['the increment first', true],
    ['a disc first', false],
  ])(
    'completes what the store lost: %s',
    async (_, first) => {
      const site = scratch.copy(template);
      flipBit(stored(site, base), 2 * PART + 5);
      const orders = [[increment], ...discs.map((each) => [each])];
      let last: Ran | undefined;
      for (const places of first ? orders : orders.toReversed()) last = await run(site, ...places);
      if (last === undefined) throw new Error('no media');
      await complete(last);
      expectWhole(site);
    },
    120_000,
  );
});
