import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
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
import { trustFingerprint } from '../../../src/bundle/admission/trust-files.ts';
import { MAX_INDEX_BYTES, MAX_SIGNATURE_BYTES, MIB } from '../../../src/core/limits.ts';
import { trustBytes } from '../../../src/format/trust.ts';
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
      // What inspect says of parts is how many are there.
      const unread =
        path === part && (defect === damaged || defect === gone || what.includes('large'));
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

describe('when an input is missing, foreign or cannot be read', () => {
  const replace = (path: string, make: () => void): void => {
    rmSync(path, { recursive: true });
    make();
  };
  const emptyFolder = (path: string) => () => mkdirSync(path);
  const textFile = (path: string) => () => writeFileSync(path, 'x');

  /** What is wrong, of the bundle and of the site, with the status and code of every command that reads it. */
  const rows: readonly (readonly [
    string,
    (at: (path: string) => string) => void,
    number,
    string,
  ])[] = [
    ['no bundle', (at) => rmSync(at('b'), { recursive: true }), 1, 'bundle-absent'],
    ['a file', (at) => replace(at('b'), textFile(at('b'))), 1, 'bundle-absent'],
    [
      'a broken link',
      (at) => replace(at('b'), () => symlinkSync('x', at('b'))),
      1,
      'bundle-absent',
    ],
    [
      'a pipe',
      (at) => replace(at('b'), () => execFileSync('mkfifo', [at('b')])),
      1,
      'bundle-absent',
    ],
    ['an empty folder', (at) => replace(at('b'), emptyFolder(at('b'))), 1, 'bundle-absent'],
    [
      'a folder above the bundle',
      (at) => {
        renameSync(at('b'), at('moved'));
        mkdirSync(at('b'));
        renameSync(at('moved'), at('b/inner'));
      },
      ...([1, 'bundle-absent'] as const),
    ],
    [
      'no signatures',
      (at) => rmSync(at('b/signatures'), { recursive: true }),
      10,
      'signature-missing',
    ],
    [
      'a file for the signatures',
      (at) => replace(at('b/signatures'), textFile(at('b/signatures'))),
      ...([10, 'file-unexpected'] as const),
    ],
    [
      'no attestations',
      (at) => rmSync(at('b/attestations'), { recursive: true }),
      1,
      'part-missing',
    ],
    [
      'a file for the blobs',
      (at) => replace(at('b/blobs'), textFile(at('b/blobs'))),
      ...([10, 'file-unexpected'] as const),
    ],
    ['a file too many', (at) => writeFileSync(at('b/extra'), 'x'), 10, 'file-unexpected'],
    ['no index', (at) => rmSync(at('b/bundle.json')), 1, 'part-missing'],
  ];
  const siteRows: typeof rows = [
    ['a file', (at) => replace(at('site'), textFile(at('site'))), 1, 'site-absent'],
    [
      'another folder',
      (at) => replace(at('site'), () => mkdirSync(at('site/thesis'), { recursive: true })),
      ...([1, 'site-absent'] as const),
    ],
    ['open to others', (at) => chmodSync(at('site'), 0o777), 1, 'site-exposed'],
    [
      'with a site.yaml that has defects',
      (at) => writeFileSync(at('site/site.yaml'), 'x: 1'),
      1,
      'site-invalid',
    ],
    [
      'with a folder for site.yaml',
      (at) => replace(at('site/site.yaml'), emptyFolder(at('site/site.yaml'))),
      1,
      'site-invalid',
    ],
    ...(['trust.json', 'format.json', 'ledger'] as const).flatMap((name): typeof rows => [
      [
        `one with a folder for ${name}`,
        (at) => {
          rmSync(at(`site/${name}`), { force: true });
          mkdirSync(at(`site/${name}`));
        },
        ...([1, 'state-damaged'] as const),
      ],
      [
        `one with other text in ${name}`,
        (at) => writeFileSync(at(`site/${name}`), 'x\n'),
        1,
        'state-damaged',
      ],
    ]),
    [
      'with a file for generations',
      (at) => replace(at('site/generations'), textFile(at('site/generations'))),
      1,
      'file-missing',
    ],
  ];

  let prepared: string;

  beforeAll(async () => {
    prepared = scratch.fresh();
    mkdirSync(prepared);
    writeFileSync(join(prepared, 'root.pem'), encodeCertificate(small.root));
    mkdirSync(join(prepared, 'site'));
    writeFileSync(
      join(prepared, 'site/site.yaml'),
      'apiVersion: stowage/v1\nname: x\ntarget: depot\n',
    );
    writeFileSync(join(prepared, 'trust.json'), trustBytes(small.trust));
    const fingerprint = trustFingerprint(small.trust);
    const apply = ['trust', 'apply', 'trust.json', '--fingerprint', fingerprint, '--site', 'site'];
    expect((await runProgram(apply, prepared)).error).toBeUndefined();
  });

  const lines = {
    inspect: 'inspect ./b --trust root.pem',
    verify: 'verify ./b --trust root.pem',
    'install --dry-run': 'install ./b --dry-run --site site',
    import: 'import ./b --site site',
    install: 'install ./b --site site',
  };

  async function outcomes(
    commands: readonly (keyof typeof lines)[],
    bend: (at: (path: string) => string) => void,
  ): Promise<Record<string, unknown>> {
    const found: Record<string, unknown> = {};
    for (const command of commands) {
      const place = scratch.copy(prepared);
      cpSync(small.folder, join(place, 'b'), { recursive: true });
      bend((path) => join(place, path));
      const { status, error } = await runProgram(lines[command].split(' '), place, {
        program: import.meta.filename,
      });
      found[command] = [status, error?.code];
      // The medium is there: something in it is not.
      if (error !== undefined && existsSync(join(place, 'b')))
        expect(error.hint).not.toMatch(/mounted/);
    }
    return found;
  }

  it.each(rows)(
    'has one status and code from every command, with %s for the bundle',
    async (_, bend, status, code) => {
      const commands = ['inspect', 'verify', 'install --dry-run', 'import', 'install'] as const;
      const same = commands.map((each) => [each, [status, code]]);
      expect(await outcomes(commands, bend)).toEqual(Object.fromEntries(same));
    },
  );

  it.each(siteRows)(
    'has one status and code from every command, with a site that is %s',
    async (_, bend, status, code) => {
      const commands = ['install --dry-run', 'import', 'install'] as const;
      const same = commands.map((each) => [each, [status, code]]);
      expect(await outcomes(commands, bend)).toEqual(Object.fromEntries(same));
    },
  );
});
