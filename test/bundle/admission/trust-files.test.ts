import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  anchorTrust,
  chainFiles,
  readBundleChain,
  readChain,
  readTrust,
  trustFileName,
  trustFileVersion,
} from '../../../src/bundle/admission/trust-files.ts';
import { MAX_SIGNATURES, MAX_TRUST_BYTES } from '../../../src/core/limits.ts';
import { writeCanonical } from '../../../src/format/document.ts';
import { trustKind } from '../../../src/format/trust.ts';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import type { TrustLink } from '../../../src/trust/trust-chain.ts';
import { packedAt } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { makeAuthority } from '../../support/small-bundle.ts';

const scratch = scratchFolder(true);
let folder: string;
const put = (name: string, content: string | Buffer = name): void =>
  writeFileSync(join(folder, 'trust', name), content);
const versions = (links: readonly TrustLink[]): number[] => links.map(({ version }) => version);

beforeEach(() => {
  folder = scratch.fresh();
  mkdirSync(join(folder, 'trust'), { recursive: true });
});

describe('when a bundle contains a chain', () => {
  it('returns it in the order of versions, with the bytes of each file', async () => {
    for (const name of [
      '10.trust.json',
      '9.trust.json',
      '9.trust.json.b.p7s',
      '9.trust.json.A.p7s',
    ])
      put(name);
    const links = await readBundleChain(folder, 8);
    expect(versions(links)).toEqual([9, 10]);
    expect([...chainFiles(links)].map(([path, bytes]) => [path, bytes.toString()])).toEqual([
      ['trust/9.trust.json', '9.trust.json'],
      ['trust/9.trust.json.A.p7s', '9.trust.json.A.p7s'],
      ['trust/9.trust.json.b.p7s', '9.trust.json.b.p7s'],
      ['trust/10.trust.json', '10.trust.json'],
    ]);
  });

  it('reads only documents that are newer than the given version', async () => {
    for (const version of [1, 2, 3, 4]) put(trustFileName(version));
    expect(versions(await readBundleChain(folder, 2))).toEqual([3, 4]);
    expect(versions(await readBundleChain(folder, 4))).toEqual([]);
    const range = { above: 1, upTo: 3 };
    expect(versions(await readChain(join(folder, 'trust'), range))).toEqual([2, 3]);
  });

  it('returns none if there is no folder, or a file in its place', async () => {
    expect(await readBundleChain(scratch.fresh(), 1)).toEqual([]);
    put('file');
    expect(await readChain(join(folder, 'trust/file'), { above: 0, upTo: 9 })).toEqual([]);
  });

  it('reports that the folder cannot be read', async () => {
    const place = join(folder, 'x'.repeat(300));
    await expectCode(() => readChain(place, { above: 0, upTo: 9 }), 'io-failed');
  });
});

describe('when a file name does not belong to a chain', () => {
  it.each([
    'x2.trust.json',
    '2.trust.json.bak',
    '2.trust.json\n',
    '02.trust.json',
    '0.trust.json',
    '-2.trust.json',
    '2.trust-json',
    'x2.trust.json.a.p7s',
    '2.trust.json.a.p7s.bak',
    '2.trust.json.p7s',
    '2.trust.json..p7s',
    '2.trust.json.-a.p7s',
    '2.trust.json.a b.p7s',
    '1000000000000000.trust.json',
  ])('refuses %j beside a document', async (name) => {
    put('2.trust.json');
    put(name);
    await expectCode(() => readBundleChain(folder, 1), 'file-unexpected');
    expect(trustFileVersion(name)).toBeUndefined();
  });

  it('reads the version in a valid name', () => {
    for (const version of [1, 10, 999_999_999_999_999])
      expect(trustFileVersion(trustFileName(version))).toBe(version);
  });
});

describe('when a chain is incomplete or too large', () => {
  it.each(['3.trust.json.a.p7s', '22.trust.json.a.p7s'])(
    'refuses %s, whose document is not there',
    async (name) => {
      put('2.trust.json');
      put(name);
      const error = await expectCode(() => readBundleChain(folder, 1), 'trust-conflict');
      expect(error.message).toContain(name);
      expect(error.expected).toBe(name.replace('.a.p7s', ''));
    },
  );

  it('accepts the maximum number of signatures, and no more', async () => {
    put('2.trust.json');
    for (let n = 1; n <= MAX_SIGNATURES; n += 1) put(`2.trust.json.${n}.p7s`);
    expect((await readBundleChain(folder, 1))[0]?.signatures).toHaveLength(MAX_SIGNATURES);
    put('2.trust.json.more.p7s');
    const error = await expectCode(() => readBundleChain(folder, 1), 'trust-conflict');
    expect(error.found).toBe(String(MAX_SIGNATURES + 1));
  });

  it('accepts the largest document, and none that is larger', async () => {
    put('2.trust.json', Buffer.alloc(MAX_TRUST_BYTES));
    expect(await readBundleChain(folder, 1)).toHaveLength(1);
    put('2.trust.json', Buffer.alloc(MAX_TRUST_BYTES + 1));
    await expectCode(() => readBundleChain(folder, 1), 'trust-conflict');
  });
});

const ours = makeAuthority();
const theirs = makeAuthority('Mallory');
const pem = (certificate: typeof ours.root): Buffer => Buffer.from(encodeCertificate(certificate));
const given = readTrust(pem(ours.root), packedAt);
const never = (): Promise<boolean> => Promise.reject(new Error('nobody is asked'));

describe('when trust is read', () => {
  it('accepts a root certificate in PEM or DER', () => {
    for (const bytes of [pem(ours.root), ours.root.der]) {
      const read = readTrust(bytes, packedAt);
      expect(read.trust).toEqual(ours.trust);
      expect(read.fingerprint).toBe(ours.root.fingerprint);
    }
  });

  it('accepts a trust document, and fingerprints the document itself', () => {
    const read = readTrust(writeCanonical(trustKind, ours.trust), packedAt);
    expect(read.trust).toEqual(ours.trust);
    expect(read.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(read.fingerprint).not.toBe(ours.root.fingerprint);
  });

  const wrong = [
    ['nothing', Buffer.alloc(0), 'certificate-invalid'],
    ['two certificates', Buffer.concat([pem(ours.root), pem(theirs.root)]), 'certificate-invalid'],
    ["a signer's certificate", pem(ours.signer.certificate), 'certificate-invalid'],
    ['text', Buffer.from('hello'), 'certificate-invalid'],
    ['another document', Buffer.from('{}'), 'document-invalid'],
    ['a spaced trust document', Buffer.from('{ }'), 'document-invalid'],
  ] as const;

  it.each(wrong)('refuses %s', async (_, bytes, code) => {
    await expectCode(() => readTrust(bytes, packedAt), code);
  });
});

describe('when a site gets its trust anchor', () => {
  it('asks for confirmation once', async () => {
    expect(await anchorTrust(undefined, given, async () => true)).toEqual(ours.trust);
    expect(await anchorTrust(ours.trust, undefined, never)).toEqual(ours.trust);
    expect(await anchorTrust(ours.trust, given, never)).toEqual(ours.trust);
  });

  it('keeps the pinned document when another over the same roots is given', async () => {
    const laxer = { ...given, trust: { ...ours.trust, version: 9 } };
    expect(await anchorTrust(ours.trust, laxer, never)).toEqual(ours.trust);
  });

  it('rejects an unconfirmed trust anchor', async () => {
    const error = await expectCode(
      () => anchorTrust(undefined, given, async () => false),
      'trust-unconfirmed',
    );
    // The fingerprint comes from paper, not from what is to be confirmed.
    expect(JSON.stringify(error)).not.toContain(ours.root.fingerprint);
  });

  it('rejects a site without a trust document', async () => {
    await expectCode(() => anchorTrust(undefined, undefined, never), 'trust-missing');
  });

  it('rejects roots other than the pinned ones, even if confirmed', async () => {
    const other = readTrust(pem(theirs.root), packedAt);
    const error = await expectCode(
      () => anchorTrust(ours.trust, other, async () => true),
      'trust-conflict',
    );
    expect(error).toMatchObject({
      expected: ours.root.fingerprint,
      found: theirs.root.fingerprint,
    });
    const namesake = readTrust(pem(makeAuthority().root), packedAt);
    await expectCode(() => anchorTrust(ours.trust, namesake, never), 'trust-conflict');
  });
});
