import { itemsIn, lockBlobs, type Sections, sections } from '../../content/items.ts';
import type { Digest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { Deployment } from '../../format/deployment.ts';
import { withDerived } from '../../format/derived.ts';
import { readJson } from '../../format/document.ts';
import type { Finding } from '../../format/finding.ts';
import type { Installer } from '../../format/installer.ts';
import { type Lock, lockKind } from '../../format/lock.ts';
import type { BundleView } from './bundle-view.ts';
import { type NamedSigner, namedSigners } from './named-signers.ts';
import { readPackages } from './packages.ts';
import { readRendered } from './rendered.ts';

/** A bundle or a lock in a form that can be compared. */
export interface Comparable extends Sections<'compared'> {
  readonly kind: 'bundle' | 'lock';
  /** SHA-512 of a bundle's `SHA512SUMS`. */
  readonly id?: string;
  /** Whether its signatures were checked and are valid. A lock has none. */
  readonly verified: boolean;
  readonly release: ComparedRelease;
  readonly deployment: Deployment;
  /** Absent if they cannot be read. */
  readonly findings?: readonly Finding[];
  readonly signers: readonly NamedSigner[];
  /** Absent for a lock. */
  readonly installers?: readonly Installer[];
  readonly blobs: ReadonlyMap<Digest, number>;
  /** Bytes of everything that is not a blob: lists, attestations, installers, recovery parts. */
  readonly otherBytes: number;
}

export type ComparedRelease = Pick<
  Bundle,
  'name' | 'version' | 'channel' | 'seq' | 'resolvedAt' | 'description' | 'platforms'
>;

/** A bundle, for a comparison. @throws StowageError `part-missing`, `part-damaged` for a control file that is not as listed */
export async function comparableBundle(view: BundleView): Promise<Comparable> {
  const { id, bundle, verdict } = view;
  const lock = await readPackedLock(view);
  const bill = await readPackageLists(view);
  const seen = { ...(bill && { bill }), objects: await readRendered(view) };
  const { control, installers = [], parity } = bundle;
  const others = [...control, ...installers, ...(parity?.rows.flat() ?? [])];
  return {
    ...{ kind: 'bundle', id, verified: verdict !== undefined },
    ...{ release: bundle, deployment: bundle },
    ...sections<'compared'>((kind) =>
      itemsIn<'bundled'>(bundle, kind).map((item) => kind.comparedFromBundle(item, seen)),
    ),
    ...(lock === undefined ? {} : { findings: lock.findings }),
    signers: await namedSigners(view),
    installers,
    blobs: new Map(bundle.blobs.map(({ digest, size }) => [digest, size])),
    otherBytes: others.reduce((sum, { size }) => sum + size, 0),
  };
}

/** A lock, for a comparison. */
export function comparableLock(lock: Lock): Comparable {
  const { manifest, seq, resolvedAt, findings } = lock;
  const { name, version, channel, description, platforms } = manifest;
  const services = withDerived(manifest.services, lock.derived);
  return {
    ...{ kind: 'lock', verified: false },
    release: { name, version, channel, seq, resolvedAt, description, platforms },
    ...{ deployment: { ...manifest, services }, findings },
    ...sections<'compared'>((kind) =>
      itemsIn<'locked'>(lock, kind).map((item) => kind.comparedFromLock(item)),
    ),
    signers: [],
    blobs: lockBlobs(lock),
    otherBytes: 0,
  };
}

/** The lock that a bundle was packed from; undefined for one of another format version. */
export async function readPackedLock(view: BundleView): Promise<Lock | undefined> {
  return readable(view, 'attestations/lock.json', (bytes) => readJson(lockKind, bytes));
}

/** The images of a bundle with their packages; undefined if the bill of materials cannot be read. */
export async function readPackageLists(
  view: BundleView,
): Promise<ReturnType<typeof readPackages> | undefined> {
  return readable(view, 'attestations/sbom.cdx.json', readPackages);
}

async function readable<T>(
  view: BundleView,
  path: string,
  read: (bytes: Buffer) => T,
): Promise<T | undefined> {
  const bytes = await view.control(path);
  if (bytes === undefined) return undefined;
  try {
    return read(bytes);
  } catch (error) {
    if (error instanceof StowageError) return undefined;
    throw error;
  }
}
