import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTrust } from '../../src/bundle/admission/trust-files.ts';
import { MIB } from '../../src/core/limits.ts';
import { encodePem } from '../../src/trust/pem.ts';
import { trustFromRoot } from '../../src/trust/trust-root.ts';
import { type FileSystem, MediaLab, offsetOn, removeLab } from '../lab/media.ts';
import { holdsByHand, textOf } from '../support/by-hand.ts';
import { packedAt } from '../support/context.ts';
import { asNobody, needsReadableProject } from '../support/other-user.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { makeRoot, makeSigner } from '../trust/authority.ts';
import { type Ran, stowage } from './cli.ts';

// The statements of manifests/MEDIA.md about media and other machines, as far as they can be tested.

const work = mkdtempSync(join(tmpdir(), 'foreign-'));
const lab = new MediaLab(join(work, 'lab'));
let made: SmallBundle;
let fingerprint: string;
let count = 0;

const at = (...names: readonly string[]): string => join(work, ...names);
const run = (...args: readonly string[]): Promise<Ran> => stowage({ cwd: work }, ...args);
const verify = (folder: string): Promise<Ran> => run('verify', folder, '--trust', at('root.pem'));
const trusting = (): string[] => ['--trust', at('root.pem'), '--fingerprint', fingerprint];
const take = (...places: readonly string[]): Promise<Ran> =>
  run('import', ...places, ...trusting(), '--root', at(`site-${count++}`));
const byHand = (folder: string): Promise<boolean> =>
  holdsByHand(folder, textOf(made.folder), at('root.pem'));

beforeAll(async () => {
  // The check by hand compares certificates with today's date.
  const always = { notBefore: new Date('2000-01-01T00:00:00Z'), notAfter: new Date('2099-01-01Z') };
  const root = makeRoot(always);
  const authority = {
    root: root.certificate,
    signer: makeSigner(root, always),
    trust: trustFromRoot(root.certificate, packedAt),
  };
  const content = { partSize: 4 * MIB, weights: 12 * MIB, crumbs: 3 };
  made = await smallBundle({ place: at('made'), authority, ...content });
  writeFileSync(at('root.pem'), encodePem('CERTIFICATE', made.root.der));
  fingerprint = readTrust(readFileSync(at('root.pem')), packedAt).fingerprint;
});

afterAll(() => {
  removeLab(lab, work);
});

/** A copy of the bundle in a folder below the simulated root of a medium. */
function stick(): { root: string; bundle: string } {
  const root = at(`stick-${count++}`);
  const bundle = join(root, basename(made.folder));
  cpSync(made.folder, bundle, { recursive: true });
  return { root, bundle };
}

/** A file with one part of the weights. */
function aPart(bundle: string): string {
  const names = readdirSync(join(bundle, 'blobs/sha256'));
  const part = names.find((name) => /\.[0-9]{4}$/.test(name));
  return join(bundle, 'blobs/sha256', part ?? '');
}

async function code(ran: Promise<Ran>): Promise<string> {
  const { json, status } = await ran;
  return status === 0 ? 'done' : json.error.code;
}

describe('when another machine wrote to the medium', () => {
  const systems: readonly [string, readonly string[]][] = [
    ['Windows', ['System Volume Information/WPSettings.dat', '$RECYCLE.BIN/desktop.ini']],
    ['macOS', ['.DS_Store', '.Spotlight-V100/Store-V2/x', '.fseventsd/0000', '._.Trashes']],
    ['a Linux desktop', ['.Trash-1000/info/x.trashinfo', 'lost+found/#12']],
  ];
  it.each(systems)('ignores files that %s adds next to the bundle', async (_, files) => {
    const { root, bundle } = stick();
    for (const file of files) {
      mkdirSync(join(root, file, '..'), { recursive: true });
      writeFileSync(join(root, file), 'x');
    }
    expect(await code(verify(bundle))).toBe('done');
    expect(await byHand(bundle)).toBe(true);
    expect(await code(take(bundle))).toBe('done');
  });

  it.each([
    '.DS_Store',
    '._bundle.json',
    'Thumbs.db',
    'blobs/.DS_Store',
    'signatures/._release.p7s',
  ])('refuses %s in the bundle, names it, and imports nothing', async (name) => {
    const { bundle } = stick();
    writeFileSync(join(bundle, name), 'x');
    const { json, status } = await verify(bundle);
    expect({ status, code: json.error.code }).toEqual({ status: 10, code: 'file-unexpected' });
    expect(json.error.message).toContain(name);
    expect(await byHand(bundle)).toBe(false);
    expect(await code(take(bundle))).toBe('file-unexpected');
  });

  it('ignores an empty folder, as the check by hand does', async () => {
    const { bundle } = stick();
    mkdirSync(join(bundle, '.Trashes'));
    expect(await code(verify(bundle))).toBe('done');
    expect(await byHand(bundle)).toBe(true);
  });

  it('imports the listed files from a separate folder', async () => {
    const { bundle } = stick();
    writeFileSync(join(bundle, '.DS_Store'), 'x');
    const clean = at(`clean-${count++}`);
    const copy = `mkdir ${clean}; cp -r SHA512SUMS signatures ${clean}/; cut -c131- SHA512SUMS | xargs cp --parents -t ${clean}`;
    expect(spawnSync('bash', ['-e', '-c', copy], { cwd: bundle }).status).toBe(0);
    expect(await code(take(clean))).toBe('done');
  });

  it('detects a file that a virus scanner removed, and one that it replaced', async () => {
    const taken = stick().bundle;
    rmSync(aPart(taken));
    expect(await code(verify(taken))).toBe('part-missing');
    const partly = await take(taken);
    expect(partly.status).toBe(1);
    expect(partly.json).toMatchObject({ complete: false, missing: [{ size: 4 * MIB }] });
    const replaced = stick().bundle;
    writeFileSync(aPart(replaced), 'This file was removed.');
    expect(await code(verify(replaced))).toBe('part-damaged');
    expect(await code(take(replaced))).toBe('part-damaged');
  });

  it('detects a text file that an editor saved with different line endings', async () => {
    const { bundle } = stick();
    const path = join(bundle, 'VERIFY.txt');
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll('\n', '\r\n'));
    const { json } = await verify(bundle);
    expect(json.error.code).toBe('part-damaged');
    expect(json.error.message).toContain('VERIFY.txt');
  });
});

describe('when names change in transit', () => {
  it('names the file that is there in capitals', async () => {
    const { bundle } = stick();
    renameSync(join(bundle, 'bundle.json'), join(bundle, 'BUNDLE.JSON'));
    expect(await code(verify(bundle))).toBe('part-missing');
    expect(await byHand(bundle)).toBe(false);
  });

  it('names the cause on an ISO without Rock Ridge and Joliet', async () => {
    const { root } = stick();
    const image = at('plain.iso');
    const plain = ['-as', 'mkisofs', '-quiet', '-iso-level', '3', '--norock', '-o', image, root];
    expect(spawnSync('xorriso', plain).status).toBe(0);
    const { mount, eject } = lab.insert(image, 'iso9660');
    const [folder = ''] = readdirSync(mount);
    expect(folder).toBe('chat_1_0.0');
    const { json } = await verify(join(mount, folder));
    expect(json.error).toMatchObject({ code: 'part-missing', found: '"sha512sums"' });
    eject();
  });

  it('ignores the names of the medium and of the folder', async () => {
    const { root, bundle } = stick();
    renameSync(bundle, join(root, 'USB DISK (1)'));
    expect(await code(verify(join(root, 'USB DISK (1)')))).toBe('done');
    expect(await code(take(join(root, 'USB DISK (1)')))).toBe('done');
  });
});

describe('when a bundle is the whole medium', () => {
  const systems: readonly FileSystem[] = ['ext4', 'exfat', 'iso9660', 'fat32', 'xfs'];
  it.each(systems)('is read from the root of %s', async (system) => {
    const medium = lab.insert(lab.burn(made.folder, system), system);
    expect(await code(verify(medium.mount))).toBe('done');
    expect(await code(take(medium.mount))).toBe('done');
    medium.eject();
  });

  it('cannot be read by an ordinary user on ext4, whose lost+found is root’s', async (test) => {
    needsReadableProject(test);
    chmodSync(work, 0o755);
    const medium = lab.insert(lab.burn(made.folder, 'ext4'), 'ext4');
    const ran = stowage(
      { cwd: '/', through: asNobody },
      ...['verify', medium.mount, '--trust', at('root.pem')],
    );
    expect(await code(ran)).toBe('io-failed');
    medium.eject();
  });
});

describe('when a medium is not what it seems', () => {
  it('detects the data that a counterfeit stick lost', async () => {
    const image = lab.burn(made.folder, 'ext4');
    const bytes = readFileSync(image);
    // Beyond its real capacity, such a stick accepts all writes and stores nothing.
    const lost = offsetOn(image, aPart(made.folder));
    writeFileSync(image, bytes.fill(0, lost, lost + MIB));
    const medium = lab.insert(image, 'ext4');
    const { json } = await verify(medium.mount);
    expect(json.error.code).toBe('part-damaged');
    medium.eject();
  });

  it('reads exFAT whose dirty flag is set', async () => {
    const image = lab.burn(made.folder, 'exfat');
    const bytes = readFileSync(image);
    // VolumeFlags of the boot sector (exFAT specification 3.1.13): bit 1 is VolumeDirty.
    bytes.writeUInt16LE(bytes.readUInt16LE(106) | 2, 106);
    writeFileSync(image, bytes);
    const medium = lab.insert(image, 'exfat');
    expect(await code(take(medium.mount))).toBe('done');
    medium.eject();
  });

  it('cannot be signed on a read-only medium, and reports this', async () => {
    const medium = lab.insert(lab.burn(made.folder, 'ext4'), 'ext4');
    await run('pki', at('pki'));
    const key = ['--key', at('pki/release.key.pem'), '--certificate', at('pki/release.pem')];
    const { json } = await run('sign', medium.mount, ...key, '--name', 'second');
    expect(json.error).toMatchObject({ code: 'io-failed', found: 'EROFS' });
    medium.eject();
  });

  it('leaves nothing on a file system that cannot store a file of the part size', async () => {
    writeFileSync(at('large.bin'), randomBytes(5 * MIB));
    const manifest = 'apiVersion: stowage/v1\nname: cargo\nversion: 1.0.0\n';
    writeFileSync(at('stowage.yaml'), `${manifest}files: [{ name: large, source: ./large.bin }]\n`);
    const store = ['--store', at('store')];
    expect((await run('lock', ...store)).status).toBe(0);
    expect((await run('store', 'pull', ...store)).status).toBe(0);
    const through = ['bash', '-c', `trap '' XFSZ; ulimit -f 2048; exec "$@"`, 'bash'];
    const pack = ['pack', '--no-installer', ...store, '--output', at('cargo')];
    const { json } = await stowage({ cwd: work, through }, ...pack, '--part-size', 'none');
    expect(json.error).toMatchObject({ code: 'io-failed', found: 'EFBIG' });
    expect(existsSync(at('cargo'))).toBe(false);
  });
});

describe('when a stream passes through a blocking program', () => {
  const codeIn = (stdout: string | Buffer): string => JSON.parse(stdout.toString()).error.code;
  const piped = (line: string): ReturnType<typeof spawnSync> =>
    spawnSync('bash', ['-o', 'pipefail', '-c', line], {
      encoding: 'utf8',
      env: {
        ...process.env,
        STOWAGE: `${process.execPath} ${join(import.meta.dirname, '../../dist/main.js')}`,
        TAKE: `import - ${trusting().join(' ')} --root ${at(`site-${count++}`)} --json`,
        BUNDLE: made.folder,
      },
    });

  it('is unchanged, for every block size', () => {
    const { status } = piped(
      '$STOWAGE stream $BUNDLE | dd obs=256k status=none | dd ibs=256k obs=1M status=none | $STOWAGE $TAKE',
    );
    expect(status).toBe(0);
  });

  it('is refused if blocks are padded with zeros', () => {
    const { status, stdout } = piped(
      '$STOWAGE stream $BUNDLE | dd bs=1M iflag=fullblock conv=sync status=none | $STOWAGE $TAKE',
    );
    expect({ status, code: codeIn(stdout) }).toEqual({ status: 10, code: 'stream-refused' });
  });

  it('is refused if a connection converted line endings', () => {
    const { status, stdout } = piped("$STOWAGE stream $BUNDLE | sed 's/$/\\r/' | $STOWAGE $TAKE");
    expect({ status, code: codeIn(stdout) }).toEqual({ status: 10, code: 'stream-refused' });
  });
});

describe('when the clock of the site is wrong', () => {
  // Days since the bundle was signed, not since today, so that these tests pass on any day.
  const onDay = (days: number, ...args: readonly string[]): Promise<Ran> => {
    const module = at(`clock-${days}.mjs`);
    const start = packedAt.getTime() + days * 86_400_000;
    writeFileSync(
      module,
      `const Real = Date; const now = () => ${start} + Math.floor(performance.now());
       globalThis.Date = class extends Real { constructor(...a) { if (a.length === 0) super(now()); else super(...a); } static now() { return now(); } };`,
    );
    return stowage({ cwd: work, node: ['--import', module] }, ...args);
  };

  const takeOn = (days: number, site: string): Promise<Ran> =>
    onDay(days, 'import', made.folder, ...trusting(), '--root', at(site));
  const doctor = async (days: number): Promise<string> => {
    const { json } = await onDay(days, 'doctor');
    return json.findings.find((each: { area: string }) => each.area === 'clock').verdict;
  };

  it('refuses a signature in the future, and doctor explains why', async () => {
    const { status, json } = await takeOn(-3, 'early');
    expect({ status, code: json.error.code }).toEqual({ status: 10, code: 'signature-invalid' });
    expect(json.error.message).toContain('in the future');
    expect(await doctor(-3650)).toBe('wrong');
  });

  it('uses the newest signed time that the site has seen, if the clock was set back', async () => {
    expect(await code(takeOn(0, 'back'))).toBe('done');
    const { status, stderr } = await takeOn(-3, 'back');
    expect({ status, told: /clock/.test(stderr) }).toEqual({ status: 0, told: true });
  });

  it('accepts a bundle years later, unless a trust document limits its age', async () => {
    expect(await code(takeOn(3650, 'late'))).toBe('done');
    expect(await doctor(9000)).toBe('wrong');
  });
});
