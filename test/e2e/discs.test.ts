import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTrust } from '../../src/bundle/admission/trust-files.ts';
import { MIB } from '../../src/core/limits.ts';
import { encodePem } from '../../src/trust/pem.ts';
import { type FileSystem, MediaLab, offsetOn, removeLab } from '../lab/media.ts';
import { holdsByHand } from '../support/by-hand.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { streamOf } from '../support/streamed.ts';
import { tree } from '../support/tree.ts';
import { type Ran, stowage } from './cli.ts';

const work = mkdtempSync(join(tmpdir(), 'stowage-discs-'));
const lab = new MediaLab(join(work, 'lab'));
const systems: readonly FileSystem[] = ['exfat', 'iso9660', 'ext4', 'fat32', 'xfs'];
let made: SmallBundle;
let fingerprint: string;

const at = (...names: readonly string[]): string => join(work, ...names);
const run = (...args: readonly string[]): Promise<Ran> => stowage({ cwd: work }, ...args);
const take = (site: string, ...places: readonly string[]): Promise<Ran> =>
  run('import', ...places, '--trust', at('root.pem'), '--fingerprint', fingerprint, '--root', site);

beforeAll(async () => {
  made = await smallBundle({
    ...{ place: at('made'), partSize: 8 * MIB, weights: 40 * MIB, crumbs: 20 },
  });
  writeFileSync(at('root.pem'), encodePem('CERTIFICATE', made.root.der));
  fingerprint = readTrust(readFileSync(at('root.pem')), new Date()).fingerprint;
});

afterAll(() => {
  removeLab(lab, work);
});

/** A medium that contains the folder of a disc. */
function burned(disc: string, system: FileSystem): string {
  const folder = at(`burn-${system}`);
  rmSync(folder, { recursive: true, force: true });
  cpSync(disc, join(folder, basename(disc)), { recursive: true });
  return lab.burn(folder, system);
}

describe('when a signed bundle is split to five discs', () => {
  let discs: readonly string[];

  beforeAll(async () => {
    const { status, json } = await run('split', made.folder, '--disc-size', '12MB');
    expect(status).toBe(0);
    discs = json.discs;
    expect(discs).toHaveLength(5);
    expect(json.id).toBe(made.id);
  });

  it('passes the check by hand on each disc, and on all together', async () => {
    const text = readFileSync(join(discs[0] ?? '', 'VERIFY.txt'), 'utf8');
    const lines = (spaces: number): string[] =>
      [...text.matchAll(new RegExp(`^ {${spaces}}(\\S.*)$`, 'gm'))].map((match) => match[1] ?? '');
    const whole = lines(4);
    const first = whole.filter((line) => !/sha512sum --check|comm -3|! -type f/.test(line));
    const onDisc = [...first, ...lines(2)].map((line) => `    ${line}`).join('\n');
    expect(lines(2)).toHaveLength(3);
    for (const disc of discs) expect(await holdsByHand(disc, onDisc, at('root.pem'))).toBe(true);
    const together = lines(3)
      .filter((line) => /^(?:\[|!) /.test(line))
      .map((line) => `    ${line}`)
      .join('\n');
    const all = join(made.folder, '..', `${basename(made.folder)}-discs`);
    expect(await holdsByHand(all, together, at('root.pem'))).toBe(true);
    writeFileSync(join(discs[0] ?? '', 'extra'), '');
    expect(await holdsByHand(discs[0] ?? '', onDisc, at('root.pem'))).toBe(false);
    rmSync(join(discs[0] ?? '', 'extra'));
  });

  it('verifies each disc separately, and all of them as the bundle', async () => {
    for (const disc of discs) {
      const { status, json } = await run('verify', disc, '--trust', at('root.pem'));
      expect({ status, verified: json.verified, complete: json.complete }).toEqual({
        ...{ status: 0, verified: true, complete: false },
      });
    }
    const { json } = await run('verify', ...discs.toReversed(), '--trust', at('root.pem'));
    expect(json).toMatchObject({ verified: true, id: made.id });
    expect(json).not.toHaveProperty('complete');
  });

  it('is imported from read-only media in any order, one with a bad sector, and a repair completes it', async () => {
    const site = at('site');
    const order = [3, 0, 4, 2, 1];
    const bad = 2;
    const reports: Ran[] = [];
    for (const index of order) {
      const disc = discs[index] ?? '';
      const system = systems[index] ?? 'ext4';
      const image = burned(disc, system);
      const damaged = partOn(disc);
      const spot = { offset: damaged.size - 8192, length: 4096 };
      const medium =
        index === bad
          ? lab.insertBad(image, [
              { offset: offsetOn(image, damaged.path) + spot.offset, length: spot.length },
            ])
          : lab.insert(image, system);
      const ran = await take(site, medium.mount);
      medium.eject();
      reports.push(ran);
      if (index !== bad) {
        expect(ran.status).toBe(1);
        expect(ran.json).toMatchObject({ complete: false });
        continue;
      }
      expect(ran.status).toBe(10);
      expect(ran.json.error.code).toBe('part-damaged');
      expect(ran.json.error.message).toContain(`${basename(damaged.path)} on disc-3-of-5`);
      expect(ran.json.error.message).toContain('model.safetensors of model tiny, bytes ');
      expect(ran.json.error.found).toContain(
        `within ${4 * MIB}-${damaged.size - 1} of the file (EIO)`,
      );
    }
    const status = await run('repair-list', '--root', site, '--output', at('list.json'));
    expect(status.json.parts).toHaveLength(1);
    const repair = ['--only', at('list.json'), '--from', made.folder, '--output', at('repair')];
    expect((await run('pack', ...repair)).json).toMatchObject({ parts: 1, signed: true });
    const last = await take(site, at('repair'));
    expect(last).toMatchObject({ status: 0, json: { complete: true } });
    expectStore(site);
  });

  it('reports which discs are missing', async () => {
    const { json, status } = await take(at('partly'), discs[0] ?? '', discs[3] ?? '');
    expect(status).toBe(1);
    expect(json.discs).toEqual({ seen: [1, 4], of: 5, missing: [2, 3, 5] });
  });

  it('reports a medium that is removed while it is read, and resumes', async () => {
    const site = at('pulled');
    const disc = discs[1] ?? '';
    const image = burned(disc, 'ext4');
    const slow = lab.insertSlow(image, '16M');
    const running = take(site, slow.mount);
    await began(site);
    slow.pull();
    const { status, json } = await running;
    slow.eject();
    expect(json.error.code).toMatch(/^(?:medium-lost|part-damaged|io-failed)$/);
    expect(status).not.toBe(0);
    const medium = lab.insert(image, 'ext4');
    const again = await take(site, medium.mount);
    medium.eject();
    expect(again.json).toMatchObject({ complete: false });
    const rest = await take(site, ...discs.filter((each) => each !== disc));
    expect(rest).toMatchObject({ status: 0, json: { complete: true } });
    expectStore(site);
  });
});

describe('when a bundle is packed with a recovery disc', () => {
  it('is imported without the missing disc, and without a repair', async () => {
    const parity = await smallBundle({
      ...{ place: at('parity'), authority: made.authority, partSize: 8 * MIB, weights: 40 * MIB },
      ...{ crumbs: 20, parity: 1, discs: { size: 12_000_000, parity: true } },
    });
    expect(parity.discs).toHaveLength(6);
    const kept = parity.discs.filter((_, index) => index !== 3).toReversed();
    const { status, json } = await take(at('recovered'), ...kept);
    expect({ status, complete: json.complete }).toEqual({ status: 0, complete: true });
    expect(json.rebuilt).toBeGreaterThan(0);
    expectStore(at('recovered'));
  });
});

describe('when a lock is packed to discs', () => {
  it('is reproducible, is signed once for all discs, and is repaired from the lock alone', async () => {
    const sources = ['a', 'b', 'c', 'd'];
    for (const each of sources) writeFileSync(at(`${each}.bin`), randomBytes(5 * MIB));
    const files = sources.map((each) => `  - { name: ${each}, source: ./${each}.bin }\n`);
    writeFileSync(
      at('stowage.yaml'),
      `apiVersion: stowage/v1\nname: cargo\nversion: 1.0.0\nfiles:\n${files.join('')}`,
    );
    const options = ['--no-installer', '--part-size', '4MiB', '--store', at('store')];
    const dealt = [...options, '--disc-size', '12MB', '--parity-discs', '1'];
    const { json: authority } = await run('pki', at('pki'));
    expect((await run('lock', '--store', at('store'))).status).toBe(0);
    const { json } = await run('pack', ...dealt, '--output', at('cargo'));
    expect((await run('pack', ...dealt, '--output', at('cargo-again'))).json.id).toBe(json.id);
    expect(tree(at('cargo-again'))).toEqual(tree(at('cargo')));
    const signing = ['--key', at('pki/release.key.pem'), '--certificate', at('pki/release.pem')];
    expect((await run('sign', at('cargo'), ...signing)).status).toBe(0);
    const trust = ['--trust', at('pki/root.pem'), '--fingerprint', authority.fingerprint];
    const first = await run('import', json.discs[0], '--root', at('cargo-site'), ...trust);
    expect(first.json).toMatchObject({ complete: false });
    // The first disc pins the trusted root.
    const second = await run('install', json.discs[1], '--root', at('cargo-site'));
    expect(second.status).toBe(1);
    expect(second.json.error.code).toBe('bundle-incomplete');
    const list = at('cargo.json');
    await run('repair-list', 'cargo@1.0.0', '--output', list, '--root', at('cargo-site'));
    const repair = await run('pack', ...dealt, '--only', list, '--output', at('cargo-repair'));
    expect(repair.json).toMatchObject({ id: json.id, signed: false });
    expect((await run('sign', at('cargo-repair'), ...signing)).status).toBe(0);
    const last = await run('import', at('cargo-repair'), '--root', at('cargo-site'));
    expect(last).toMatchObject({ status: 0, json: { complete: true } });
  });
});

describe('when a recorded stream lies on a medium with a bad sector', () => {
  const common = { partSize: 4 * MIB, weights: 14 * MIB, crumbs: 20 };

  it.each([
    ['near the beginning of a part, is imported with its recovery parts', 8 * 1024, 1, 0],
    ['soon after it, is imported with its recovery parts', 100 * 1024, 1, 0],
    ['in a part, is imported with its recovery parts', 2 * MIB, 1, 0],
    ['is refused without recovery parts, and a good copy completes it', 2 * MIB, undefined, 10],
  ])('%s', async (_, bad, parity, expected) => {
    const place = scratchOf(`recorded-${bad}-${expected}`);
    const { authority } = made;
    const small = await smallBundle({ ...common, authority, place, ...(parity && { parity }) });
    const recording = join(place, 'burn/stream.tar');
    mkdirSync(join(place, 'burn'));
    writeFileSync(recording, await streamOf(small.folder));
    const digest = small.bundle.models[0]?.files[0]?.digest.slice(7);
    const weights = join(small.folder, `blobs/sha256/${digest}.0001`);
    const image = lab.burn(join(place, 'burn'), 'ext4');
    const offset = offsetOn(image, weights) + bad;
    const { mount, eject } = lab.insertBad(image, [{ offset, length: 4096 }]);
    const site = join(place, 'site');
    const import_ = (stdin: string): Promise<Ran> => {
      const trust = ['--trust', at('root.pem'), '--fingerprint', fingerprint, '--root', site];
      return stowage({ cwd: work, stdin }, 'import', '-', ...trust);
    };
    const { status, json, complaints } = await import_(join(mount, 'stream.tar'));
    eject();
    expect(status).toBe(expected);
    const said = status === 0 ? complaints.join() : `${json.error.message} ${json.error.found}`;
    expect(said).toContain('model.safetensors of model tiny, bytes 4194304 to 8388607');
    expect(said).toContain('unreadable bytes within 0-4194303 of the file (EIO)');
    if (status !== 0) expect((await import_(recording)).status).toBe(0);
    const held = tree(join(site, 'store/blobs/sha256'));
    expect(Object.keys(held)).toEqual(
      small.bundle.blobs.map((each) => each.digest.slice(7)).toSorted(),
    );
  });
});

function scratchOf(name: string): string {
  mkdirSync(at(name));
  return at(name);
}

/** Resolves as soon as an import copies parts. */
async function began(site: string): Promise<void> {
  const copying = join(site, 'staging', made.id, 'discs');
  for (let tries = 0; !existsSync(copying) && tries < 1200; tries++) await delay(50);
  await delay(200);
}

/** A part of the weights on a disc: its largest file. */
function partOn(disc: string): { path: string; size: number } {
  const digest = made.bundle.models[0]?.files[0]?.digest;
  const parts = made.bundle.blobs.find((blob) => blob.digest === digest)?.parts ?? [];
  const there = tree(disc);
  const part = parts.find(({ path }) => there[path] !== undefined);
  if (part === undefined) throw new Error(`no weights on ${disc}`);
  return { path: join(disc, part.path), size: part.size };
}

/** Checks that every blob of the bundle is in the site's store, with the right digest. */
function expectStore(site: string): void {
  const found = tree(join(site, 'store/blobs/sha256'));
  const expected = made.bundle.blobs.map(({ digest }) => [
    digest.slice(7),
    `444 ${digest.slice(7)}`,
  ]);
  expect(found).toEqual(Object.fromEntries(expected));
  expect(tree(join(site, 'staging'))).toEqual({});
}
