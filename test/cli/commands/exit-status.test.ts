import {
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { beforeAll, describe, expect, it } from 'vitest';
import { MAX_INDEX_BYTES, MAX_SIGNATURE_BYTES, MIB } from '../../../src/core/limits.ts';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import {
  entriesOf,
  type Streamed,
  streamOf,
  summed,
  tarOfEntries,
} from '../../support/streamed.ts';

const scratch = scratchFolder();
let small: SmallBundle;
let stream: Buffer;
let part: string;
let root: string;

beforeAll(async () => {
  small = await smallBundle({ place: scratch.fresh() });
  stream = await streamOf(small.folder);
  part = small.bundle.blobs[0]?.parts[0]?.path ?? '';
  root = join(scratch.root, 'root.pem');
  writeFileSync(root, encodeCertificate(small.root));
});

const SIGNATURE = 'signatures/release.p7s';

/** What is wrong with one file of a bundle, in its folder and in its stream. */
interface Defect {
  readonly folder: (path: string) => void;
  readonly entry: (entry: Streamed) => Streamed | undefined;
}

const gone: Defect = {
  folder: (path) => rmSync(path, { recursive: true }),
  entry: () => undefined,
};
const folderInstead: Defect = {
  folder: (path) => {
    unlinkSync(path);
    mkdirSync(path);
  },
  entry: ({ path, header }) => {
    const none = Buffer.alloc(0);
    const bent = summed(header, (each) => {
      each.write('5', 156);
      each.write('00000000000', 124);
    });
    return { path, header: bent, content: none, padding: none };
  },
};
const linkInstead: Defect = {
  folder: (path) => {
    renameSync(path, `${small.folder}.moved`);
    symlinkSync(`${small.folder}.moved`, path);
  },
  entry: (entry) => ({ ...entry, header: summed(entry.header, (each) => each.write('2', 156)) }),
};
const damaged: Defect = {
  folder: (path) => writeFileSync(path, 'x'),
  entry: (entry) => {
    const content = Buffer.from(entry.content);
    content[0] = (content[0] ?? 0) ^ 1;
    return { ...entry, content };
  },
};
const larger = (bytes: number): Defect => ({
  folder: (path) => truncateSync(path, bytes),
  entry: (entry) => ({
    ...entry,
    header: summed(entry.header, (each) =>
      each.write(bytes.toString(8).padStart(11, '0'), 124, 'latin1'),
    ),
  }),
});

const commands = ['verify', 'verify --report', 'inspect --trust', 'import', 'install'] as const;

async function statusOf(command: (typeof commands)[number], folder: string): Promise<number> {
  const place = scratch.fresh();
  mkdirSync(place);
  const trust = ['--trust', root];
  const site = [...trust, '--fingerprint', small.root.fingerprint, '--root', 'site'];
  const args: Readonly<Record<(typeof commands)[number], readonly string[]>> = {
    verify: ['verify', folder, ...trust],
    'verify --report': ['verify', folder, ...trust, '--report', 'report.json'],
    'inspect --trust': ['inspect', folder, ...trust],
    import: ['import', folder, ...site],
    install: ['install', folder, ...site],
  };
  mkdirSync(join(place, 'site'));
  writeFileSync(
    join(place, 'site/site.yaml'),
    'apiVersion: stowage/v1\nname: test\ntarget: depot\n',
  );
  return (await runProgram(args[command], place, { program: import.meta.filename })).status;
}

async function statusByPipe(
  command: 'import' | 'install',
  path: string,
  defect: Defect,
): Promise<number> {
  const place = scratch.fresh();
  mkdirSync(join(place, 'site'), { recursive: true });
  writeFileSync(
    join(place, 'site/site.yaml'),
    'apiVersion: stowage/v1\nname: test\ntarget: depot\n',
  );
  const entries = entriesOf(stream).flatMap((entry) => {
    const bent = entry.path === path ? defect.entry(entry) : entry;
    return bent === undefined ? [] : [bent];
  });
  const stdin = Readable.from([tarOfEntries(entries)]);
  const site = ['--trust', root, '--fingerprint', small.root.fingerprint, '--root', 'site'];
  return (await runProgram([command, '-', ...site], place, { stdin })).status;
}

describe('when a file of a bundle is not as it should be', () => {
  it.each<[string, () => string, Defect, number]>([
    ['SHA512SUMS is missing', () => 'SHA512SUMS', gone, 1],
    ['SHA512SUMS is a folder', () => 'SHA512SUMS', folderInstead, 10],
    ['SHA512SUMS is a link', () => 'SHA512SUMS', linkInstead, 10],
    ['SHA512SUMS is damaged', () => 'SHA512SUMS', damaged, 10],
    ['SHA512SUMS is too large', () => 'SHA512SUMS', larger(64 * MIB + 1), 10],
    ['the signature is missing', () => SIGNATURE, gone, 10],
    ['the signature is a folder', () => SIGNATURE, folderInstead, 10],
    ['the signature is damaged', () => SIGNATURE, damaged, 10],
    ['the signature is too large', () => SIGNATURE, larger(MAX_SIGNATURE_BYTES + 1), 10],
    ['bundle.json is missing', () => 'bundle.json', gone, 1],
    ['bundle.json is a folder', () => 'bundle.json', folderInstead, 10],
    ['bundle.json is damaged', () => 'bundle.json', damaged, 10],
    ['bundle.json is too large', () => 'bundle.json', larger(MAX_INDEX_BYTES + 1), 10],
    ['a document is missing', () => 'attestations/lock.json', gone, 1],
    ['a document is a folder', () => 'attestations/lock.json', folderInstead, 10],
    ['a document is damaged', () => 'attestations/lock.json', damaged, 10],
    ['a part is missing', () => part, gone, 1],
    ['a part is a folder', () => part, folderInstead, 10],
    ['a part is a link', () => part, linkInstead, 10],
    ['a part is damaged', () => part, damaged, 10],
    ['a part is too large', () => part, larger(100_000), 10],
  ])(
    'exits with one status from every command, by folder and by pipe: %s',
    async (what, pathOf, defect, expected) => {
      const path = pathOf();
      const found: Record<string, number> = {};
      for (const command of commands) {
        const folder = scratch.copy(small.folder);
        defect.folder(join(folder, path));
        found[command] = await statusOf(command, folder);
        rmSync(`${small.folder}.moved`, { force: true });
      }
      for (const command of ['import', 'install'] as const)
        found[`${command} -`] = await statusByPipe(command, path, defect);
      const unread = path === part && (defect === damaged || what.includes('large'));
      const all = [...commands, 'import -', 'install -'];
      const wanted = all.map((each) => [each, unread && each === 'inspect --trust' ? 0 : expected]);
      expect(found).toEqual(Object.fromEntries(wanted));
    },
  );

  it('is not refused as it is', async () => {
    for (const command of commands) expect(await statusOf(command, small.folder), command).toBe(0);
    const as: Defect = { folder: () => {}, entry: (entry) => entry };
    for (const command of ['import', 'install'] as const)
      expect(await statusByPipe(command, part, as)).toBe(0);
    expect(readdirSync(small.folder)).toContain('SHA512SUMS');
  });
});

describe('when a folder or a link is given where a file is needed', () => {
  it.each([
    'sign BUNDLE --key ODD --certificate own.pem',
    'sign BUNDLE --key root.pem --certificate ODD',
    'sign BUNDLE --key root.pem --certificate own.pem --passphrase-file ODD',
    'sign BUNDLE --attach ODD --signature root.pem',
    'inspect BUNDLE --trust ODD',
    'verify BUNDLE --trust ODD',
    'verify BUNDLE --trust root.pem --report r.json --report-key root.pem --report-certificate ODD',
    'import BUNDLE --trust ODD --fingerprint FINGERPRINT --site site',
    'trust show ODD',
    'trust sign ODD --key root.pem --certificate root.pem',
    'trust init --root a=ODD --release a --output new.json',
    'lock ODD',
    'check ODD',
  ])('does not say that a bundle is not trusted: %s', async (line) => {
    const place = scratch.fresh();
    mkdirSync(place);
    writeFileSync(join(place, 'root.pem'), encodeCertificate(small.root));
    writeFileSync(join(place, 'own.pem'), encodeCertificate(small.signer.certificate));
    mkdirSync(join(place, 'folder'));
    symlinkSync('root.pem', join(place, 'link'));
    for (const odd of ['folder', 'link']) {
      const args = line
        .replace('BUNDLE', small.folder)
        .replace('FINGERPRINT', small.root.fingerprint)
        .replace('ODD', odd)
        .split(' ');
      const { status, error } = await runProgram(args, place);
      expect([status, error?.code, error?.found], odd).toEqual([
        1,
        'file-missing',
        odd === 'folder' ? 'a folder' : expect.stringContaining('link'),
      ]);
    }
  });
});
