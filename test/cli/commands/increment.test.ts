import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { leftOut } from '../../../src/cli/commands/increment.ts';
import { commonTo } from '../../../src/content/increment.ts';
import type { StowageEvent } from '../../../src/core/context.ts';
import type { ErrorCode } from '../../../src/core/error.ts';
import { MIB } from '../../../src/core/limits.ts';
import type { Bundle } from '../../../src/format/bundle.ts';
import { context } from '../../support/context.ts';
import { type Ran, runProgram } from '../../support/fake-terminal.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder(true);
let place: string;
let fingerprint: string;

function run(...args: readonly string[]): Promise<Ran> {
  return runIn('store', ...args);
}

/** @param store the folder of what was pulled, packed and used before */
function runIn(store: string, ...args: readonly string[]): Promise<Ran> {
  return runProgram(args, place, {
    env: { STOWAGE_STORE: join(place, store), STOWAGE_SITE: join(place, 'site') },
    program: join(place, 'dist/main.js'),
  });
}

async function ran(...args: readonly string[]): Promise<Record<string, unknown>> {
  const { error, stdout } = await run(...args, '--json');
  expect(error, args.join(' ')).toBeUndefined();
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** A manifest of a large file and a small one; only the small one differs between versions. */
function manifest(version: string): string {
  return `apiVersion: stowage/v1
name: chat
version: ${version}
platforms: [linux/amd64, linux/arm64]
files:
  - name: weights
    source: ./weights.bin
  - name: settings
    source: ./settings-${version}.json
`;
}

const sign = (folder: string): Promise<object> =>
  ran(...['sign', folder, '--key', 'pki/release.key.pem', '--certificate', 'pki/release.pem']);

const sums = (folder: string): string => readFileSync(join(place, folder, 'SHA512SUMS'), 'utf8');
const parts = (folder: string): string[] => readdirSync(join(place, folder, 'blobs/sha256'));
const index = (folder: string): Bundle =>
  JSON.parse(readFileSync(join(place, folder, 'bundle.json'), 'utf8')) as Bundle;
const weights = (folder: string): string =>
  index(folder)
    .files.find(({ name }) => name === 'weights')
    ?.digest.slice(7) ?? '';

beforeAll(async () => {
  place = scratch.fresh();
  mkdirp('dist/installer');
  for (const each of ['stowage-linux-x64', 'stowage-linux-arm64'])
    writeFileSync(join(place, 'dist/installer', each), `#!/bin/sh\n# ${each}\n`);
  const bytes = Buffer.alloc(9 * MIB, 'weights ');
  for (let at = 0; at < bytes.length; at += 4096) bytes.writeUInt32LE(at, at);
  writeFileSync(join(place, 'weights.bin'), bytes);
  await ran('pki', 'pki');
  for (const version of ['1.0.0', '1.1.0']) {
    writeFileSync(join(place, `settings-${version}.json`), `{"version":"${version}"}`);
    writeFileSync(join(place, 'chat.yaml'), manifest(version));
    await ran('lock', 'chat.yaml');
    await ran('pack', 'chat.yaml', '--part-size', '4MiB', '-o', version);
    await sign(version);
  }
  mkdirp('site');
  writeFileSync(
    join(place, 'site/site.yaml'),
    'apiVersion: stowage/v1\nname: vault\ntarget: depot\n',
  );
  await ran('import', '1.0.0', '--trust', 'pki/root.pem', '--fingerprint', await rootFingerprint());
  await receipt('receipt');
});

function mkdirp(path: string): void {
  mkdirSync(join(place, path), { recursive: true });
}

async function rootFingerprint(): Promise<string> {
  const { trust } = (await ran('verify', '1.0.0', '--trust', 'pki/root.pem')) as { trust: string };
  return trust;
}

/** Writes a receipt of the site and copies it to `NAME.json` and `NAME.p7s`. */
async function receipt(name: string): Promise<void> {
  const checked = (await ran('receipt', 'write')) as { file: string; fingerprint: string };
  fingerprint = checked.fingerprint;
  cpSync(checked.file, join(place, `${name}.json`));
  cpSync(checked.file.replace(/json$/, 'p7s'), join(place, `${name}.p7s`));
}

function withKey(): string[] {
  return ['--fingerprint', fingerprint];
}

describe('when a bundle is packed for a site that stores an earlier one', () => {
  it('leaves out what the site stores, keeps the list, and says how much travels', async () => {
    const found = await ran(
      ...['pack', 'chat.yaml', '--part-size', '4MiB', '-o', 'packed', '--for', 'receipt.json'],
      ...withKey(),
    );
    expect(sums('packed')).toBe(sums('1.1.0'));
    expect(parts('packed').filter((each) => each.startsWith(weights('1.1.0')))).toEqual([]);
    expect(parts('packed')).not.toEqual([]);
    expect(existsSync(join(place, 'packed/stowage-linux-x64'))).toBe(false);
    expect(existsSync(join(place, 'packed/stowage-linux-arm64'))).toBe(false);
    const { bytes, total, sites } = found['increment'] as Record<string, unknown>;
    expect(sites).toEqual(['vault']);
    expect(Number(bytes)).toBeLessThan(Number(total) * 0.013);
    expect(Number(total)).toBeGreaterThan(9 * MIB);
  });

  it('gives the same list with recovery parts, of which only useful ones travel', async () => {
    const options = ['--part-size', '4MiB', '--parity', '1'];
    await ran('pack', 'chat.yaml', ...options, '-o', 'even');
    const found = await ran(
      ...['pack', 'chat.yaml', ...options, '-o', 'even-packed', '--for', 'receipt.json'],
      ...withKey(),
    );
    expect(sums('even-packed')).toBe(sums('even'));
    expect((found['increment'] as { omitted: number }).omitted).toBeGreaterThan(3);
  });

  it('is split into an increment, or onto discs, with the signatures of the whole', async () => {
    await ran('split', '1.1.0', '--for', 'receipt.json', ...withKey(), '-o', 'split');
    expect(sums('split')).toBe(sums('1.1.0'));
    expect(readdirSync(join(place, 'split/signatures'))).toEqual(
      readdirSync(join(place, '1.1.0/signatures')),
    );
    const { discs } = await ran(
      ...['split', '1.1.0', '--for', 'receipt.json', ...withKey(), '-o', 'discs'],
      ...['--disc-size', '9MB'],
    );
    expect(discs).toHaveLength(1);
    expect(parts('discs/disc-1-of-1')).toEqual(parts('split'));
  });

  it('leaves out only what every one of several sites stores', async () => {
    const other = await otherSite('empty');
    const found = await ran(
      ...['split', '1.1.0', '--for', 'receipt.json', '--for', `${other.file}`, '-o', 'both'],
      ...withKey(),
      ...['--fingerprint', other.fingerprint],
    );
    expect(parts('both')).toEqual(parts('1.1.0'));
    expect(found['increment']).toMatchObject({ sites: ['vault', 'empty'] });
  });

  it('leaves out nothing that is not known here, unless --base has it', async () => {
    const options = ['split', '1.1.0', '--for', 'receipt.json', ...withKey()];
    const { stderr } = await runIn('other-store', ...options, '-o', 'unknown');
    expect(stderr).toContain('chat 1.0.0');
    expect(parts('unknown')).toEqual(parts('1.1.0'));
    const based = await runIn('third-store', ...options, '-o', 'based', '--base', '1.0.0');
    expect(based.error).toBeUndefined();
    expect(parts('based')).toEqual(parts('split'));
  });

  it.each<[string, readonly string[]]>([
    ['split without a purpose', ['split', '1.1.0']],
    [
      'a fingerprint without a receipt',
      ['split', '1.1.0', '--base', '1.0.0', '--disc-size', 'dvd'],
    ],
  ])('refuses %s', async (_, args) => {
    expect((await run(...args)).error?.code).toBe('usage-invalid');
  });
});

async function otherSite(name: string): Promise<{ file: string; fingerprint: string }> {
  const folder = join(place, `site-${name}`);
  mkdirp(`site-${name}`);
  writeFileSync(
    join(folder, 'site.yaml'),
    `apiVersion: stowage/v1\nname: ${name}\ntarget: depot\n`,
  );
  const trust = ['--trust', 'pki/root.pem', '--fingerprint', await rootFingerprint()];
  await ran('import', '1.1.0', '--site', folder, ...trust);
  await ran('forget', 'chat@1.1.0', '--site', folder);
  const checked = await ran('receipt', 'write', '--site', folder);
  return checked as unknown as { file: string; fingerprint: string };
}

describe('when a receipt is not to be believed', () => {
  const split = async (store: string, ...args: readonly string[]): Promise<Ran> => {
    rmSync(join(place, 'never'), { recursive: true, force: true });
    return runIn(store, 'split', '1.1.0', '-o', 'never', ...args);
  };
  const refused = async (
    code: ErrorCode,
    store: string,
    ...args: readonly string[]
  ): Promise<void> => {
    expect((await split(store, ...args)).error?.code).toBe(code);
    expect(existsSync(join(place, 'never'))).toBe(false);
  };

  it('refuses one of a site whose key was not confirmed', () =>
    refused('signer-untrusted', 'fresh', '--for', 'receipt.json'));

  it('refuses one of another site than was confirmed', () =>
    refused('signer-untrusted', 'fresh', '--for', 'receipt.json', '--fingerprint', 'a'.repeat(64)));

  it('refuses one that was changed', async () => {
    for (const each of ['json', 'p7s'])
      cpSync(join(place, `receipt.${each}`), join(place, `forged.${each}`));
    flipBit(join(place, 'forged.json'), 30);
    await refused('signature-invalid', 'fresh', '--for', 'forged.json', ...withKey());
  });

  it('knows the key of a site that was confirmed once', async () => {
    expect((await split('aging', '--for', 'receipt.json', ...withKey())).error).toBeUndefined();
    expect((await split('aging', '--for', 'receipt.json')).error).toBeUndefined();
  });
});

describe('when an increment arrives at its site', () => {
  /** A copy of the site, which the increment has not reached yet. */
  const copyOfSite = (): string => scratch.copy(join(place, 'site'));
  const imported = (site: string, from = 'split'): Promise<Ran> =>
    run('import', from, '--site', site, '--json');

  it('is verified as far as it goes, and says of how much not', async () => {
    const incomplete = { code: 'part-missing', hint: expect.stringContaining('--partial') };
    const whole = await run('verify', 'split', '--trust', 'pki/root.pem');
    expect(whole.error).toMatchObject(incomplete);
    const sent = await run('stream', 'split', '--output', 'split.tar');
    expect(sent.error).toMatchObject({ ...incomplete, hint: expect.stringContaining('--for') });
    const found = await ran('verify', 'split', '--partial', '--trust', 'pki/root.pem');
    expect(found).toMatchObject({
      verified: true,
      complete: false,
      absentBytes: expect.anything(),
    });
    expect(Number(found['absentBytes'])).toBeGreaterThan(9 * MIB);
    expect((await run('inspect', 'split', '--trust', 'pki/root.pem')).stdout).toMatch(
      /\d+ parts? on other discs, or left out of an increment/,
    );
  });

  it('is completed from the store', async () => {
    const site = copyOfSite();
    const { stdout, error } = await imported(site);
    expect(error).toBeUndefined();
    expect(JSON.parse(stdout)).toMatchObject({ complete: true, version: '1.1.0' });
    const release = readdirSync(join(site, 'releases')).find((each) =>
      readFileSync(join(site, 'releases', each, 'bundle.json'), 'utf8').includes('"1.1.0"'),
    );
    expect(readdirSync(join(site, 'releases', release ?? ''))).toContain('stowage-linux-x64');
    expect((await imported(site)).error).toBeUndefined();
  });

  it('names what the site lost meanwhile, and asks for it', async () => {
    const site = copyOfSite();
    flipBit(join(site, 'store/blobs/sha256', weights('1.1.0')), 5 * MIB);
    const { stdout, stderr } = await imported(site);
    expect(stderr).toContain('damaged');
    expect(JSON.parse(stdout)).toMatchObject({ complete: false, alsoIn: ['chat 1.0.0'] });
    await ran('repair-list', '--site', site, '-o', 'list.json');
    const list = JSON.parse(readFileSync(join(place, 'list.json'), 'utf8')) as { parts: unknown[] };
    expect(list.parts).toHaveLength(1);
    await ran('pack', '--only', 'list.json', '--from', '1.1.0', '-o', 'repair');
    expect(JSON.parse((await imported(site, 'repair')).stdout)).toMatchObject({ complete: true });
  });

  it('is incomplete at a site that has nothing, and completed there by the whole', async () => {
    const site = scratch.fresh('bare');
    mkdirSync(site);
    writeFileSync(join(site, 'site.yaml'), 'apiVersion: stowage/v1\nname: bare\ntarget: depot\n');
    const trust = ['--trust', 'pki/root.pem', '--fingerprint', await rootFingerprint()];
    const first = await run('import', 'split', '--site', site, '--json', ...trust);
    expect(JSON.parse(first.stdout)).toMatchObject({ complete: false, alsoIn: [] });
    expect(JSON.parse((await imported(site, '1.1.0')).stdout)).toMatchObject({ complete: true });
  });
});

describe('when a site stores another version of a model', () => {
  it.each([
    ['in parts of another size', [8 * MIB], 1],
    ['in parts of this size', [4 * MIB], 0],
    ['in parts of both sizes', [8 * MIB, 4 * MIB], 0],
    ['not at all', undefined, 0],
    ['as whole files', [0], 0],
  ])('says why all of it travels: %s', async (_, sizes, count) => {
    const { bundle } = await smallBundle({
      ...{ place: scratch.fresh(), partSize: 4 * MIB, weights: 5 * MIB },
    });
    const receiver = {
      ...{ site: 'vault', platform: 'linux/amd64', unknown: [] },
      ...{ blobs: new Set<never>(), parts: new Set<never>() },
      ...(sizes === undefined ? {} : { partSizes: new Map([['chat', new Set(sizes)]]) }),
    };
    const sites = {
      ...{ receivers: [receiver], common: commonTo([receiver]), recordUsed: async () => {} },
    };
    const warnings: StowageEvent[] = [];
    const heard = context({ emit: (event) => void warnings.push(event) });
    leftOut(bundle, { without: [] }, sites, heard as never);
    expect(warnings).toHaveLength(count);
    for (const warning of warnings)
      expect(warning).toMatchObject({
        message: expect.stringContaining(
          'in parts of 8.0 MiB, and this bundle has parts of 4.0 MiB',
        ),
        hint: expect.stringContaining(`--part-size ${8 * MIB}`),
      });
  });
});
