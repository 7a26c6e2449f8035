import { itemsIn, lockBlobs, type Sections, sections } from '../../content/items.ts';
import type { Digest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { Deployment } from '../../format/deployment.ts';
import { readJson } from '../../format/document.ts';
import type { Finding } from '../../format/finding.ts';
import { type Lock, lockKind } from '../../format/lock.ts';
import type { Looked } from './look.ts';
import { readPackages } from './packages.ts';
import { type NamedSigner, namedSigners } from './signers.ts';

/** What two bundles, or two locks, are compared by. */
export interface Comparable extends Sections<'side'> {
  readonly kind: 'bundle' | 'lock';
  /** SHA-512 of a bundle's `SHA512SUMS`. */
  readonly id?: string;
  /** Whether its signatures were checked, and held. A lock has none. */
  readonly verified: boolean;
  readonly release: SideRelease;
  readonly deployment: Deployment;
  /** Absent where none can be read. */
  readonly findings?: readonly Finding[];
  readonly signers: readonly NamedSigner[];
  readonly blobs: ReadonlyMap<Digest, number>;
  /** Bytes of what is no blob: lists, attestations, installers, recovery parts. */
  readonly otherBytes: number;
}

export type SideRelease = Pick<
  Bundle,
  'name' | 'version' | 'channel' | 'seq' | 'resolvedAt' | 'description' | 'platforms'
>;
/** A bundle, for a comparison. @throws StowageError `part-missing`, `part-damaged` for a small file that is not as listed */
export async function sideOfBundle(looked: Looked): Promise<Comparable> {
  const { id, bundle, verdict } = looked;
  const lock = await readLockOf(looked);
  const bill = await readBill(looked);
  const seen = bill === undefined ? {} : { bill };
  const { control, installers = [], parity } = bundle;
  const others = [...control, ...installers, ...(parity?.rows.flat() ?? [])];
  return {
    ...{ kind: 'bundle', id, verified: verdict !== undefined },
    ...{ release: bundle, deployment: bundle },
    ...sections<'side'>((kind) =>
      itemsIn<'bundled'>(bundle, kind).map((item) => kind.sideOfBundled(item, seen)),
    ),
    ...(lock === undefined ? {} : { findings: lock.findings }),
    signers: await namedSigners(looked),
    blobs: new Map(bundle.blobs.map(({ digest, size }) => [digest, size])),
    otherBytes: others.reduce((sum, { size }) => sum + size, 0),
  };
}

/** A lock, for a comparison. */
export function sideOfLock(lock: Lock): Comparable {
  const { manifest, seq, resolvedAt, findings } = lock;
  const { name, version, channel, description, platforms } = manifest;
  return {
    ...{ kind: 'lock', verified: false },
    release: { name, version, channel, seq, resolvedAt, description, platforms },
    ...{ deployment: manifest, findings },
    ...sections<'side'>((kind) =>
      itemsIn<'locked'>(lock, kind).map((item) => kind.sideOfLocked(item)),
    ),
    signers: [],
    blobs: lockBlobs(lock),
    otherBytes: 0,
  };
}

/** The lock that a bundle was packed from; undefined for one of another version than ours. */
export async function readLockOf(looked: Looked): Promise<Lock | undefined> {
  return readable(looked, 'attestations/lock.json', (bytes) => readJson(lockKind, bytes));
}

/** The images of a bundle with their packages; undefined where the bill of materials cannot be read. */
export async function readBill(
  looked: Looked,
): Promise<ReturnType<typeof readPackages> | undefined> {
  return readable(looked, 'attestations/sbom.cdx.json', readPackages);
}

async function readable<T>(
  looked: Looked,
  path: string,
  read: (bytes: Buffer) => T,
): Promise<T | undefined> {
  const bytes = await looked.control(path);
  if (bytes === undefined) return undefined;
  try {
    return read(bytes);
  } catch (error) {
    if (error instanceof StowageError) return undefined;
    throw error;
  }
}
