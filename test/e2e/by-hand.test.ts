import {
  copyFileSync,
  cpSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { admit } from '../../src/bundle/admission/admit.ts';
import { verifyParts } from '../../src/bundle/verify.ts';
import { StowageError } from '../../src/core/error.ts';
import { forEachBounded } from '../../src/io/queue.ts';
import { signDetached } from '../../src/trust/cms-sign.ts';
import { encodePem } from '../../src/trust/pem.ts';
import { trustFromRoot } from '../../src/trust/trust-root.ts';
import { byHand, holdsByHand, textOf } from '../support/by-hand.ts';
import { context, packedAt } from '../support/context.ts';
import { scratchFolder } from '../support/scratch.ts';
import {
  type Authority,
  type Resigning,
  resign,
  type SmallBundle,
  smallBundle,
} from '../support/small-bundle.ts';
import {
  advisoryOf,
  noticeAuthority,
  promotionOf,
  recallOf,
  smallNotice,
} from '../support/small-notice.ts';
import { type Holder, makeAuthority, makeRoot, makeSigner } from '../trust/authority.ts';
import { oddSignature } from '../trust/odd-signature.ts';
import { openssl } from '../trust/openssl.ts';

// Certificates that are valid at any system time, because openssl uses it and no argument changes that.
const always = { notBefore: new Date('2000-01-01T00:00:00Z'), notAfter: new Date('2099-01-01Z') };
const root = makeRoot({ ...always, pathLength: 1 });
const signer = makeSigner(root, always);
const colleague = makeSigner(root, { ...always, name: 'Colleague' });
const older = makeSigner(root, { ...always, name: 'RSA', algorithm: 'rsa-pss-sha384' });
const below = makeAuthority(root, always);
const deep = makeSigner(below, { ...always, name: 'Deep' });
const strangeRoot = makeRoot({ ...always, name: 'Stranger' });
const stranger = makeSigner(strangeRoot, always);
const namesake = makeSigner(makeRoot(always), always);

const trust = trustFromRoot(root.certificate, packedAt);
const authority: Authority = { root: root.certificate, signer, trust };
const scratch = scratchFolder(true);
const rootPem = join(scratch.root, 'root.pem');
let small: SmallBundle;
let other: SmallBundle;
let text: string;

beforeAll(async () => {
  writeFileSync(rootPem, encodePem('CERTIFICATE', root.certificate.der));
  small = await smallBundle({ place: scratch.fresh(), authority, installer: true });
  const next = { place: scratch.fresh(), authority, installer: true };
  other = await smallBundle({ ...next, version: '1.1.0', seq: 2 });
  text = textOf(small.folder);
});

interface Verdict {
  readonly ours: string;
  readonly byHand: boolean;
}

async function judge(folder: string): Promise<Verdict> {
  const byHand = holdsByHand(folder, text, rootPem);
  const ours = await ourVerdict(folder);
  return { ours, byHand: await byHand };
}

async function ourVerdict(folder: string): Promise<string> {
  const own = context();
  try {
    await verifyParts(await admit(folder, { ...own, trust }), own);
    return 'accepted';
  } catch (error) {
    if (error instanceof StowageError) return error.code;
    throw error;
  }
}

type Change = (folder: string) => void;

const sums = (folder: string): Buffer => readFileSync(join(folder, 'SHA512SUMS'));

/** Adds a valid signature, or any bytes. */
function add(name: string, made: Holder | Buffer | ((content: Buffer) => Buffer)): Change {
  return (folder) => {
    const content = sums(folder);
    const bytes =
      typeof made === 'function'
        ? made(content)
        : Buffer.isBuffer(made)
          ? made
          : signDetached(content, made, packedAt);
    writeFileSync(join(folder, 'signatures', name), bytes);
  };
}

const again =
  (bend: Resigning, change?: Change): Change =>
  (folder) => {
    change?.(folder);
    resign(folder, authority, bend);
  };

const put =
  (path: string, content = ''): Change =>
  (folder) => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), content);
  };

const line = (path: string, content = ''): Change => again({}, put(path, content));

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name).slice(folder.length + 1))
    .toSorted();
}

function flip(path: string, at: number): Change {
  return (folder) => {
    const bytes = readFileSync(join(folder, path));
    const place = at < 0 ? bytes.length + at : Math.floor(at * bytes.length);
    bytes[place] = (bytes[place] ?? 0) ^ (1 << (place % 8));
    writeFileSync(join(folder, path), bytes);
  };
}

/** Changes made to each file of the bundle. */
function everyFile(): [string, Change][] {
  return filesOf(small.folder).flatMap((path): [string, Change][] => [
    [`the first byte of ${path}`, flip(path, 0)],
    [`the middle of ${path}`, flip(path, 0.5)],
    [`the last byte of ${path}`, flip(path, -1)],
    [
      `${path} one byte shorter`,
      (f) => truncateSync(join(f, path), readFileSync(join(f, path)).length - 1),
    ],
    [`${path} empty`, (f) => truncateSync(join(f, path), 0)],
    [`${path} one byte longer`, (f) => writeFileSync(join(f, path), '\n', { flag: 'a' })],
    [`${path} removed`, (f) => unlinkSync(join(f, path))],
    [`${path} renamed`, (f) => renameSync(join(f, path), join(f, `${path}.bak`))],
    [`${path} copied aside`, (f) => copyFileSync(join(f, path), join(f, `${path}~`))],
    [
      `${path} a link`,
      (f) => {
        renameSync(join(f, path), `${f}-aside`);
        symlinkSync(`${f}-aside`, join(f, path));
      },
    ],
    [
      `${path} in capitals`,
      (f) =>
        renameSync(
          join(f, path),
          join(
            f,
            path.replace(/[^/]*$/, (n) =>
              n === n.toUpperCase() ? n.toLowerCase() : n.toUpperCase(),
            ),
          ),
        ),
    ],
  ]);
}

/** A mix of files from two bundles. */
function mixtures(): [string, Change][] {
  const theirs = new Set(filesOf(other.folder));
  const differs = (path: string): boolean =>
    !readFileSync(join(small.folder, path)).equals(readFileSync(join(other.folder, path)));
  const shared = filesOf(small.folder).filter((path) => theirs.has(path) && differs(path));
  const take =
    (path: string): Change =>
    (f) =>
      copyFileSync(join(other.folder, path), join(f, path));
  const blobs = small.bundle.blobs.map((each) => each.parts[0]?.path ?? '');
  return [
    ...shared.map((path): [string, Change] => [`${path} of another bundle`, take(path)]),
    [
      'list and signature of another bundle',
      (f) =>
        ['SHA512SUMS', 'signatures/release.p7s'].forEach((path) => {
          take(path)(f);
        }),
    ],
    [
      'all but the list of another bundle',
      (f) => {
        const list = sums(f);
        cpSync(other.folder, f, { recursive: true });
        writeFileSync(join(f, 'SHA512SUMS'), list);
      },
    ],
    ['the whole of another bundle over it', (f) => cpSync(other.folder, f, { recursive: true })],
    [
      'the whole of another bundle instead',
      (f) => {
        rmSync(f, { recursive: true });
        cpSync(other.folder, f, { recursive: true });
      },
    ],
    [
      'two blobs exchanged',
      (f) => {
        const [a = '', b = ''] = blobs;
        renameSync(join(f, a), join(f, 'aside'));
        renameSync(join(f, b), join(f, a));
        renameSync(join(f, 'aside'), join(f, b));
      },
    ],
  ];
}

const additions: [string, Change][] = [
  ['an empty file', put('extra')],
  ['a hidden file', put('.extra')],
  ['a file beside the blobs', put('blobs/sha256/extra')],
  ['a file in a folder of its own', put('a/b/c', 'x')],
  ['a name with a space', put('a b')],
  ['a name with a new line', put('a\nb')],
  ['a name with an escape sequence', put('a\u001b[2J')],
  [
    'a name that is not UTF-8',
    (f) => writeFileSync(Buffer.concat([Buffer.from(`${f}/`), Buffer.of(0xff)]), ''),
  ],
  ['a second list', (f) => copyFileSync(join(f, 'SHA512SUMS'), join(f, 'SHA512SUMS.bak'))],
  ['an empty folder', (f) => mkdirSync(join(f, 'empty'))],
  ['folders within folders', (f) => mkdirSync(join(f, 'a/b/c/d'), { recursive: true })],
  ['a hard link to a file of the bundle', (f) => linkSync(join(f, 'VERIFY.txt'), join(f, 'twin'))],
  ['a link to a file of the bundle', (f) => symlinkSync('VERIFY.txt', join(f, 'link'))],
  ['a link to nowhere', (f) => symlinkSync('/nowhere', join(f, 'link'))],
  ['a link to the folder above', (f) => symlinkSync('..', join(f, 'link'))],
  ['a file of zeros', put('extra', '\0'.repeat(100_000))],
];

const signatures: [string, Change][] = [
  ['a signature of a colleague', add('colleague.p7s', colleague)],
  ['a signature by RSA', add('rsa.p7s', { ...older })],
  [
    'a signature by RSA and PKCS #1',
    add('rsa.p7s', (c) => signDetached(c, { ...older, algorithm: 'rsa-pkcs1-sha384' }, packedAt)),
  ],
  [
    'a signature through an authority below',
    add('deep.p7s', (c) =>
      signDetached(c, { ...deep, intermediates: [below.certificate] }, packedAt),
    ),
  ],
  [
    'its own signature twice',
    (f) => copyFileSync(join(f, 'signatures/release.p7s'), join(f, 'signatures/copy.p7s')),
  ],
  [
    'its own signature under another name',
    (f) => renameSync(join(f, 'signatures/release.p7s'), join(f, 'signatures/A.b-c_d.p7s')),
  ],
  ['no signature', (f) => rmSync(join(f, 'signatures'), { recursive: true })],
  ['an empty folder of signatures', (f) => unlinkSync(join(f, 'signatures/release.p7s'))],
  ['an empty signature', add('empty.p7s', Buffer.alloc(0))],
  ['text for a signature', add('text.p7s', Buffer.from('signed, the release engineer'))],
  ['a file that is no signature', add('README', Buffer.from('hello'))],
  ['a hidden signature', add('.p7s', colleague)],
  ['a signature that begins with a hyphen', add('-a.p7s', colleague)],
  ['a signature with a space in its name', add('a b.p7s', colleague)],
  ['a folder for a signature', (f) => mkdirSync(join(f, 'signatures/a.p7s'))],
  ['a folder among the signatures', (f) => mkdirSync(join(f, 'signatures/more'))],
  ['a linked signature', (f) => symlinkSync('release.p7s', join(f, 'signatures/link.p7s'))],
  [
    'a signature of another bundle',
    (f) =>
      copyFileSync(join(other.folder, 'signatures/release.p7s'), join(f, 'signatures/other.p7s')),
  ],
  [
    'a signature of other content',
    add('x.p7s', () => signDetached(Buffer.from('x'), colleague, packedAt)),
  ],
  ['a signature of a namesake of the root', add('release.p7s', namesake)],
  ['a signature of a stranger instead', add('release.p7s', stranger)],
  [
    'a signature in PEM',
    add('pem.p7s', (c) => Buffer.from(encodePem('CMS', signDetached(c, colleague, packedAt)))),
  ],
  [
    'a signature with a byte behind it',
    add('long.p7s', (c) => Buffer.concat([signDetached(c, colleague, packedAt), Buffer.alloc(1)])),
  ],
  [
    'a signature without certificates',
    add('bare.p7s', (c) => oddSignature(c, colleague, { certificates: [] })),
  ],
  [
    'a signature without a signer',
    add('none.p7s', (c) => oddSignature(c, colleague, { signers: () => [] })),
  ],
  ['a signature that openssl made', add('openssl.p7s', opensslSignature([]))],
  [
    'a signature that openssl made with SHA-256',
    add('openssl.p7s', opensslSignature(['-md', 'sha256'])),
  ],
  [
    'a signature that openssl made without attributes',
    add('openssl.p7s', opensslSignature(['-noattr'])),
  ],
  [
    'a signature that openssl made with content in it',
    add('openssl.p7s', opensslSignature(['-nodetach'])),
  ],
  [
    'a signature before its signer was valid',
    add('early.p7s', (c) => signDetached(c, colleague, new Date('1999-01-01Z'))),
  ],
  [
    '33 signatures',
    (f) => {
      for (let n = 0; n < 33; n += 1) add(`c${n}.p7s`, colleague)(f);
    },
  ],
];

function opensslSignature(options: readonly string[]): (content: Buffer) => Buffer {
  return (content) => {
    const at = scratch.fresh();
    mkdirSync(at);
    writeFileSync(join(at, 'content'), content);
    writeFileSync(join(at, 'cert.pem'), encodePem('CERTIFICATE', colleague.certificate.der));
    writeFileSync(join(at, 'key.pem'), colleague.key.export({ format: 'pem', type: 'pkcs8' }));
    const files = ['-signer', 'cert.pem', '-inkey', 'key.pem', '-in', 'content', '-out', 'sig'];
    const made = openssl(['cms', '-sign', '-binary', '-outform', 'DER', ...files, ...options], at);
    if (!made.ok) throw new Error(made.stderr);
    return readFileSync(join(at, 'sig'));
  };
}

const zeros = '0'.repeat(128);
const resigned: [string, Change][] = [
  ['nothing changed and signed again', again({})],
  ['signed a year ago', again({ at: new Date('2025-11-21T10:00:00Z') })],
  ['signed half a day ahead', again({ at: new Date(packedAt.getTime() + 43_200_000) })],
  ['signed two days ahead', again({ at: new Date(packedAt.getTime() + 172_800_000) })],
  ['a file more, signed', line('extra', 'x')],
  ['a file more with an odd name, signed', line('a b')],
  ['a file more with a backslash, signed', line('a\\b')],
  ['a file more in capitals, signed', line('BUNDLE.JSON')],
  ['a hidden file more, signed', line('.x')],
  ['a file that begins with a hyphen, signed', line('-x')],
  ['a line less', again({ lines: (l) => l.filter((each) => !each.endsWith('VERIFY.txt')) })],
  ['a line more', again({ lines: (l) => [...l, `${zeros}  zzz`] })],
  ['a line twice', again({ lines: (l) => [...l.slice(0, 1), ...l] })],
  ['another digest', again({ lines: (l) => l.map((e) => e.replace(/^.*(?= {2}VERIFY)/, zeros)) })],
  ['lines in another order', again({ lines: (l) => l.toReversed() })],
  ['no final newline', again({ checksums: (t) => t.slice(0, -1) })],
  ['CRLF', again({ checksums: (t) => t.replaceAll('\n', '\r\n') })],
  ['a binary mark', again({ checksums: (t) => t.replaceAll('  ', ' *') })],
  ['an escaped line', again({ checksums: (t) => `\\${t}` })],
  [
    'upper-case digits',
    again({ checksums: (t) => t.replace(/^[0-9a-f]+/, (h) => h.toUpperCase()) }),
  ],
  ['an empty line', again({ checksums: (t) => `${t}\n` })],
  ['a comment', again({ checksums: (t) => `# list\n${t}` })],
  ['a NUL', again({ checksums: (t) => `${t}\0` })],
  ['an empty list', again({ checksums: () => '' })],
  ['a path that leaves', again({ lines: (l) => [`${zeros}  ../x`, ...l] })],
  ['an absolute path', again({ lines: (l) => [`${zeros}  /etc/hostname`, ...l] })],
  [
    'a path by a detour',
    again({ lines: (l) => l.map((e) => e.replace('  VERIFY', '  ./VERIFY')) }),
  ],
  ['a doubled slash', again({ lines: (l) => l.map((e) => e.replace('blobs/', 'blobs//')) })],
  ['SHA512SUMS in itself', again({ lines: (l) => [`${zeros}  SHA512SUMS`, ...l] })],
  ['a signature in the list', again({ lines: (l) => [...l, `${zeros}  signatures/release.p7s`] })],
  ['an index with another number', again({ index: (b) => ({ ...b, seq: 7 }) })],
  ['an index with another name', again({ index: (b) => ({ ...b, name: 'other' }) })],
  ['an index with a field more', again({ index: (b) => ({ ...b, extra: 1 }) })],
  ['an index without blobs', again({ index: (b) => ({ ...b, blobs: [] }) })],
  ['an index of nothing', again({ index: () => ({}) })],
];

const acceptedByBoth: readonly string[] = [
  'a signature by RSA',
  'a signature by RSA and PKCS #1',
  'a signature of a colleague',
  'a signature through an authority below',
  'an empty folder',
  'an index with another name',
  'an index with another number',
  'folders within folders',
  'its own signature twice',
  'its own signature under another name',
  'nothing changed and signed again',
  'signed a year ago',
  'signed half a day ahead',
  'the whole of another bundle instead',
];

/** Cases that only Stowage refuses, with its code: it is stricter than the tools. */
const acceptedByHandAlone: readonly string[] = [
  '33 signatures: signature-malformed',
  'a file more in capitals, signed: index-mismatch',
  'a file more, signed: index-mismatch',
  'a hidden file more, signed: index-mismatch',
  'a signature before its signer was valid: certificate-invalid',
  'a signature that begins with a hyphen: file-unexpected',
  'a signature that openssl made with SHA-256: algorithm-refused',
  'a signature that openssl made with content in it: signature-malformed',
  'a signature that openssl made without attributes: signature-malformed',
  'a signature that openssl made: algorithm-refused',
  'a signature with a byte behind it: signature-malformed',
  'a signature with a space in its name: file-unexpected',
  'an index of nothing: index-malformed',
  'an index with a field more: index-malformed',
  'an index without blobs: index-malformed',
  'lines in another order: checksums-malformed',
  'no final newline: checksums-malformed',
  'signatures/release.p7s one byte longer: signature-malformed',
  'signed two days ahead: signature-invalid',
];

/** The verdict on each mutant; they run in parallel on the available processors. */
async function judgeAll(mutants: readonly [string, Change][]): Promise<Map<string, Verdict>> {
  const verdicts = new Map<string, Verdict>();
  await forEachBounded(mutants, 3, async ([name, change]) => {
    const folder = scratch.copy(small.folder);
    change(folder);
    verdicts.set(name, await judge(folder));
    rmSync(folder, { recursive: true, force: true });
  });
  expect(verdicts.size).toBe(mutants.length);
  return verdicts;
}

/** Signatures without a trusted root, next to one with a trusted root. */
const foreign: [string, Change][] = [
  ['of a stranger', add('foreign.p7s', stranger)],
  ['of a namesake of the root', add('foreign.p7s', namesake)],
  ['whose authority was left out', add('foreign.p7s', deep)],
];

describe('when a bundle is checked by hand, with openssl and coreutils alone', () => {
  it('is accepted by both if unchanged', async () => {
    expect(await judge(small.folder)).toEqual({ ours: 'accepted', byHand: true });
    expect(await judge(other.folder)).toEqual({ ours: 'accepted', byHand: true });
  });

  it('is accepted by hand after any change that Stowage accepts', async () => {
    const mutants = [...everyFile(), ...mixtures(), ...additions, ...signatures, ...resigned];
    const verdicts = [...(await judgeAll(mutants))];
    const named = (accepted: boolean, byHand: boolean): string[] =>
      verdicts
        .filter(([, each]) => (each.ours === 'accepted') === accepted && each.byHand === byHand)
        .map(([name, { ours }]) => (accepted ? name : `${name}: ${ours}`))
        .toSorted();
    console.info(`${mutants.length} bundles: ${named(true, true).length} accepted by both`);
    expect(named(true, false)).toEqual([]);
    expect(named(true, true)).toEqual(acceptedByBoth.toSorted());
    expect(named(false, true)).toEqual(acceptedByHandAlone.toSorted());
  });

  it.each(foreign)(
    'is refused by hand for a signature %s, which Stowage ignores',
    async (_, change) => {
      const folder = scratch.copy(small.folder);
      change(folder);
      expect(await judge(folder)).toEqual({ ours: 'accepted', byHand: false });
      unlinkSync(join(folder, 'signatures/foreign.p7s'));
      expect(await judge(folder)).toEqual({ ours: 'accepted', byHand: true });
    },
  );

  it('accepts signatures under two roots if both are named, and shows each signer', async () => {
    const second = join(scratch.fresh(), 'second root.pem');
    mkdirSync(join(second, '..'));
    writeFileSync(second, encodePem('CERTIFICATE', strangeRoot.certificate.der));
    const folder = scratch.copy(small.folder);
    add('second.p7s', stranger)(folder);
    const both = await byHand(folder, text, `${rootPem} '${second}'`);
    expect(both.status).toBe(0);
    for (const { certificate } of [signer, stranger])
      expect(both.shown).toContain(certificate.subject.split('CN=')[1]);
    const alone = await byHand(folder, text, rootPem);
    expect(alone.status).not.toBe(0);
    expect(alone.shown).toContain('WRONG: a signature does not verify');
  });

  it('verifies ML-DSA-87 with openssl 3.5, and with an older one prints what VERIFY.txt quotes', async () => {
    const pqRoot = makeRoot({ ...always, name: 'PQ', algorithm: 'ml-dsa-87' });
    const pq = makeSigner(pqRoot, { ...always, algorithm: 'ml-dsa-87' });
    const second = join(scratch.fresh(), 'pq.pem');
    mkdirSync(join(second, '..'));
    writeFileSync(second, encodePem('CERTIFICATE', pqRoot.certificate.der));
    const folder = scratch.copy(small.folder);
    add('pq.p7s', pq)(folder);
    const { status, shown } = await byHand(folder, text, `${rootPem} ${second}`);
    const [, major, minor] = /^OpenSSL (\d+)\.(\d+)/.exec(openssl(['version']).stdout) ?? [];
    const able = Number(major) * 100 + Number(minor) >= 305;
    expect(status === 0).toBe(able);
    if (able) return;
    expect(shown).toContain('WRONG: a signature does not verify');
    expect(shown).toContain('unable to get certs public key');
    expect(shown).toMatch(/signatures\/release\.p7s[\s\S]*CMS Verification successful/);
  });

  it.each<[string, string, Change]>([
    ['a missing file', 'VERIFY.txt', (f) => unlinkSync(join(f, 'VERIFY.txt'))],
    ['another file', 'extra-file', put('extra-file')],
    ['a link', './a-link', (f) => symlinkSync('VERIFY.txt', join(f, 'a-link'))],
    ['a malformed line', 'not-a-digest', again({ lines: (l) => ['not-a-digest  x', ...l] })],
    ['a path that leaves', '../x', again({ lines: (l) => [`${zeros}  ../x`, ...l] })],
    ['no signature', 'no signature', (f) => unlinkSync(join(f, 'signatures/release.p7s'))],
  ])('prints what is wrong with %s, and ok for the checks before it', async (_, found, change) => {
    const folder = scratch.copy(small.folder);
    change(folder);
    const { status, shown } = await byHand(folder, text, rootPem);
    expect(status).not.toBe(0);
    expect(shown).toMatch(/^ok$/m);
    expect(shown).toContain('WRONG');
    expect(shown).toContain(found);
  });

  it('never follows a certificate that it did not show: only the first of a file is a root', async () => {
    const folder = scratch.copy(small.folder);
    resign(folder, { ...authority, signer: stranger }, {});
    const mixed = join(scratch.fresh(), 'mixed.pem');
    mkdirSync(join(mixed, '..'));
    const pem = [root, strangeRoot].map((each) => encodePem('CERTIFICATE', each.certificate.der));
    writeFileSync(mixed, pem.join(''));
    expect(await holdsByHand(folder, text, mixed)).toBe(false);
  });

  it('is refused by hand once its signer has expired, even if it was valid at signing time', async () => {
    const folder = scratch.copy(small.folder);
    const notAfter = new Date('2021-01-01T00:00:00Z');
    const expired = makeSigner(root, { ...always, notAfter });
    resign(folder, { ...authority, signer: expired }, { at: new Date('2020-01-01T00:00:00Z') });
    expect(await judge(folder)).toEqual({ ours: 'accepted', byHand: false });
  });
});

describe('when a notice is checked by hand', () => {
  const authority = noticeAuthority();

  async function madeNotice(): Promise<{ folder: string; text: string }> {
    const folder = scratch.fresh('notice');
    const documents = [recallOf(), promotionOf(), advisoryOf()];
    await smallNotice({ authority, folder, documents, by: [signer, colleague] });
    return { folder, text: textOf(folder) };
  }

  const ROOT = scratch.fresh('notice-root.pem');

  it('holds with the commands of its VERIFY.txt', async () => {
    writeFileSync(ROOT, encodePem('CERTIFICATE', root.certificate.der));
    const { folder, text } = await madeNotice();
    expect(text).toMatch(/^notice 1 of works: how to check this notice by hand\n/);
    const { status, shown } = await byHand(folder, text, ROOT);
    expect(status, shown).toBe(0);
  });

  it.each<[string, (folder: string) => void]>([
    [
      'a changed recall',
      (folder) => {
        const path = join(folder, 'documents/recall-1.json');
        writeFileSync(path, readFileSync(path, 'utf8').replace('<1.1.0', '<1.2.0'));
      },
    ],
    ['a document missing', (folder) => unlinkSync(join(folder, 'documents/advisory-1.json'))],
    ['a file too many', (folder) => writeFileSync(join(folder, 'documents/more.json'), '{}')],
    [
      'a signature fewer than one',
      (folder) => rmSync(join(folder, 'signatures'), { recursive: true }),
    ],
    [
      'a list that was made anew',
      (folder) => {
        const path = join(folder, 'SHA512SUMS');
        writeFileSync(path, readFileSync(path, 'utf8').replace(/^[0-9a-f]{8}/, '00000000'));
      },
    ],
  ])('fails for %s', async (_, tamper) => {
    const { folder, text } = await madeNotice();
    tamper(folder);
    expect(await holdsByHand(folder, text, ROOT)).toBe(false);
  });
});
