import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { StowageError, systemCode } from '../../core/error.ts';
import { MAX_SIGNATURES, MAX_TRUST_BYTES, MIB } from '../../core/limits.ts';
import { counted } from '../../core/text.ts';
import { readTrustDocument, type Trust, trustBytes } from '../../format/trust.ts';
import { ioError, readBounded } from '../../io/file.ts';
import { decodeCertificates } from '../../trust/certificate-file.ts';
import type { SignatureFile } from '../../trust/signature-file.ts';
import { MAX_TRUST_LINKS, type TrustLink, walkTrust } from '../../trust/trust-chain.ts';
import { trustFromRoot } from '../../trust/trust-root.ts';
import { readSignature, unexpected } from '../bundle-files.ts';

/** The total size of all files of a chain. */
const MAX_CHAIN_BYTES: number = 64 * MIB;

const DOCUMENT = /^([1-9][0-9]{0,14})\.trust\.json$/;
const SIGNATURE = /^(([1-9][0-9]{0,14})\.trust\.json)\.[A-Za-z0-9][A-Za-z0-9._-]*\.p7s$/;

/** The file name of a trust document in a chain. */
export function trustFileName(version: number): string {
  return `${version}.trust.json`;
}

/** The version in the file name of a trust document; undefined for any other name. */
export function trustFileVersion(name: string): number | undefined {
  const digits = DOCUMENT.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * The chain in the `trust/` folder of a bundle, in ascending order; empty when there is no such folder.
 * @param above the version that the site has: only newer documents are read
 * @throws StowageError `file-unexpected` for a file that does not belong to a chain, `trust-conflict`, `signature-malformed`,
 * `file-kind`, `io-failed`
 */
export async function readBundleChain(folder: string, above: number): Promise<TrustLink[]> {
  const place = join(folder, 'trust');
  const names = await namesIn(place);
  const stray = names.find((name) => !DOCUMENT.test(name) && !SIGNATURE.test(name));
  if (stray !== undefined) throw unexpected(`trust/${stray}`);
  return readLinks(place, names, { above, upTo: Number.MAX_SAFE_INTEGER });
}

/**
 * The chain in a folder that may also hold other files: documents above one version and up to another.
 * @throws StowageError as {@link readBundleChain}
 */
export async function readChain(
  place: string,
  range: { readonly above: number; readonly upTo: number },
): Promise<TrustLink[]> {
  return readLinks(place, await namesIn(place), range);
}

/** The files of a chain in a bundle: path and bytes. */
export function chainFiles(links: readonly TrustLink[]): Map<string, Buffer> {
  return new Map(
    links.flatMap(({ version, bytes, signatures }) => [
      [`trust/${trustFileName(version)}`, bytes] as const,
      ...signatures.map((each) => [`trust/${each.name}`, each.bytes] as const),
    ]),
  );
}

async function readLinks(
  place: string,
  names: readonly string[],
  { above, upTo }: { readonly above: number; readonly upTo: number },
): Promise<TrustLink[]> {
  requireOwners(names);
  const versions = names
    .map((name) => trustFileVersion(name) ?? 0)
    .filter((version) => version > above && version <= upTo)
    .toSorted((a, b) => a - b);
  if (versions.length > MAX_TRUST_LINKS)
    throw tooMuch('trust documents', MAX_TRUST_LINKS, versions.length);
  let total = 0;
  const count = (bytes: Buffer): Buffer => {
    total += bytes.length;
    if (total > MAX_CHAIN_BYTES) throw tooMuch('bytes of trust documents', MAX_CHAIN_BYTES, total);
    return bytes;
  };
  const links: TrustLink[] = [];
  for (const version of versions) {
    const file = trustFileName(version);
    const mine = names.filter((name) => SIGNATURE.exec(name)?.[1] === file);
    if (mine.length > MAX_SIGNATURES)
      throw tooMuch(`signatures of ${file}`, MAX_SIGNATURES, mine.length);
    const bytes = count(await readBounded(join(place, file), MAX_TRUST_BYTES, 'trust-conflict'));
    const signatures: SignatureFile[] = [];
    for (const name of mine)
      signatures.push({ name, bytes: count(await readSignature(join(place, name))) });
    links.push({ version, bytes, signatures });
  }
  return links;
}

async function namesIn(place: string): Promise<string[]> {
  try {
    return (await readdir(place)).toSorted();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return [];
    throw ioError(error, place);
  }
}

// A signature without its document: an incomplete copy, or a misleading name.
function requireOwners(names: readonly string[]): void {
  const there = new Set(names);
  const orphan = names.find((name) => !there.has(SIGNATURE.exec(name)?.[1] ?? name));
  if (orphan === undefined) return;
  throw new StowageError('trust-conflict', `the document that ${orphan} signs is missing`, {
    expected: SIGNATURE.exec(orphan)?.[1] ?? '',
    found: 'only its signature',
    hint: 'copy the trust documents again, each with all its signatures',
  });
}

function tooMuch(what: string, limit: number, found: number): StowageError {
  return new StowageError('trust-conflict', `the chain has too many ${what}`, {
    expected: `at most ${limit}`,
    found: String(found),
    hint: 'do not use these trust documents; ask the release engineer for another copy',
  });
}

/**
 * The newest trust document in a bundle whose chain of signatures starts at the pinned one, or the pinned one.
 * @throws StowageError as {@link readBundleChain} and {@link walkTrust}
 */
export async function trustOf(folder: string, pinned: Trust, now: Date): Promise<Trust> {
  return walkTrust(pinned, await readBundleChain(folder, pinned.version), now);
}

/** A trust document that the user gave, and the fingerprint to compare with the printed one. */
export interface GivenTrust {
  readonly trust: Trust;
  /** SHA-256 of the root certificate's DER, or of the trust document; 64 lower-case hex digits. */
  readonly fingerprint: string;
  /** A name for what the fingerprint identifies. */
  readonly subject: string;
}

/**
 * Reads a trust document, or a root certificate that stands for one: a single release signature under that root.
 * @throws StowageError `certificate-invalid`, `document-invalid`
 */
export function readTrust(bytes: Buffer, now: Date): GivenTrust {
  if (bytes[0] === 0x7b) {
    const trust = readTrustDocument(bytes);
    return {
      trust,
      fingerprint: trustFingerprint(trust),
      subject: `trust document ${trust.version}`,
    };
  }
  const [root, ...others] = decodeCertificates(bytes);
  if (root === undefined || others.length > 0) {
    throw new StowageError(
      'certificate-invalid',
      'the trust file does not contain exactly one root certificate',
      {
        expected: 'one certificate, or a trust document',
        found: counted(others.length + (root === undefined ? 0 : 1), 'certificate'),
        hint: 'give the root certificate that the security officer gave you',
      },
    );
  }
  return { trust: trustFromRoot(root, now), fingerprint: root.fingerprint, subject: root.subject };
}

/**
 * The trust document that a site checks a bundle against: the pinned one or, at a site without one, the given one after
 * its fingerprint was confirmed.
 * @param confirm asks the user, or compares with what they entered; true when it matches the printed fingerprint, false when they
 * gave none
 * @throws StowageError `trust-missing`, `trust-conflict`, `trust-unconfirmed`
 */
export async function anchorTrust(
  pinned: Trust | undefined,
  given: GivenTrust | undefined,
  confirm: (given: GivenTrust) => Promise<boolean>,
): Promise<Trust> {
  if (pinned !== undefined) {
    if (given === undefined || rootsOf(given.trust) === rootsOf(pinned)) return pinned;
    throw new StowageError('trust-conflict', 'this site already trusts other roots', {
      expected: rootsOf(pinned),
      found: rootsOf(given.trust),
      hint: 'omit --trust; a new trust document reaches a site in a bundle, signed as the pinned one requires',
    });
  }
  if (given === undefined) throw noTrust();
  if (await confirm(given)) return given.trust;
  throw new StowageError(
    'trust-unconfirmed',
    `the fingerprint of ${given.subject} was not confirmed`,
    {
      expected: 'the printed fingerprint',
      found: 'no fingerprint',
      hint: 'compare it with the printed fingerprint from the security officer, then pass it with --fingerprint',
    },
  );
}

export function trustFingerprint(trust: Trust): string {
  return createHash('sha256').update(trustBytes(trust)).digest('hex');
}

function rootsOf(trust: Trust): string {
  const fingerprints = trust.roots.map((root) =>
    createHash('sha256').update(Buffer.from(root.certificate, 'base64')).digest('hex'),
  );
  return fingerprints.toSorted().join(', ');
}

/** @throws StowageError `trust-missing` at a site that has none */
export function requireTrust(pinned: Trust | undefined): Trust {
  if (pinned === undefined) throw noTrust();
  return pinned;
}

function noTrust(): StowageError {
  return new StowageError('trust-missing', 'this site has no trust document yet', {
    expected: '--trust with the root certificate, at the first install',
    found: 'none',
    hint: 'get the root certificate and its printed fingerprint from the security officer',
  });
}
