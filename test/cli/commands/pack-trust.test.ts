import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeCanonical } from '../../../src/format/document.ts';
import { trustKind } from '../../../src/format/trust.ts';
import { type Ran, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { TrustSimulator } from '../../trust/simulator.ts';

const scratch = scratchFolder();
const manifest = `apiVersion: stowage/v1
name: note
version: 1.0.0
files:
  - name: settings
    source: ./settings.json
`;
let place: string;
let sim: TrustSimulator;

const run = (...args: readonly string[]): Promise<Ran> =>
  runProgram(args, place, { env: { STOWAGE_STORE: join(place, 'store') } });
const pack = (output: string): Promise<Ran> =>
  run('pack', 'note.yaml', '--trust-chain', 'trust', '--no-installer', '--output', output);

beforeAll(async () => {
  place = scratch.fresh();
  mkdirSync(join(place, 'trust'), { recursive: true });
  writeFileSync(join(place, 'note.yaml'), manifest);
  writeFileSync(join(place, 'settings.json'), '{}');
  expect((await run('lock', 'note.yaml')).error).toBeUndefined();
  sim = new TrustSimulator();
  sim.issue();
  sim.issue();
  sim.write(join(place, 'trust'));
  writeFileSync(join(place, 'trust/1.trust.json'), writeCanonical(trustKind, sim.pinned));
  writeFileSync(join(place, 'trust/keeper.key.pem'), 'a key that must not travel');
});

describe('when a bundle is packed with a chain of trust documents', () => {
  it('includes documents and signatures, and no other file of that folder', async () => {
    expect((await pack('carrying')).error).toBeUndefined();
    const carried = readdirSync(join(place, 'carrying/trust')).toSorted();
    const folder = readdirSync(join(place, 'trust')).toSorted();
    expect(carried).toEqual(folder.filter((name) => name !== 'keeper.key.pem'));
    const sums = readFileSync(join(place, 'carrying/SHA512SUMS'), 'latin1');
    for (const name of carried) expect(sums).toContain(`  trust/${name}\n`);
  });

  it('is reproducible', async () => {
    await pack('again');
    const sums = (folder: string): Buffer => readFileSync(join(place, folder, 'SHA512SUMS'));
    expect(sums('again')).toEqual(sums('carrying'));
  });

  it('refuses a broken or empty chain and leaves nothing', async () => {
    const [second] = sim.links[0]?.signatures ?? [];
    rmSync(join(place, 'trust', second?.name ?? ''));
    expect((await pack('bad')).error?.code).toBe('signature-missing');
    rmSync(join(place, 'trust'), { recursive: true });
    expect((await pack('bad')).error?.code).toBe('usage-invalid');
    expect(readdirSync(place).filter((name) => name.includes('bad'))).toEqual([]);
  });
});
