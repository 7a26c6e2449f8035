import { join } from 'node:path';
import { itemsIn, lockBlobs, type Sections, sections } from '../../content/items.ts';
import type { ListedImage, ListedPackage } from '../../content/listed-packages.ts';
import { type Digest, digestOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { textOf as anyText, fieldsOf, parseJson } from '../../core/json.ts';
import { MAX_CHECKSUMS_BYTES } from '../../core/limits.ts';
import type { Bundle, BundleBlob } from '../../format/bundle.ts';
import type { Deployment } from '../../format/deployment.ts';
import { withDerived } from '../../format/derived.ts';
import { readCanonical, readJson } from '../../format/document.ts';
import { momentOf } from '../../format/field.ts';
import type { Finding } from '../../format/finding.ts';
import type { Installer } from '../../format/installer.ts';
import { type Lock, lockKind } from '../../format/lock.ts';
import {
  MAX_OBJECTS_BYTES,
  type RenderedObjects,
  renderedObjectsKind,
} from '../../format/rendered-objects.ts';
import { readBounded } from '../../io/file.ts';
import { allAlgorithms } from '../../trust/algorithm.ts';
import { verifyDetached } from '../../trust/cms-verify.ts';
import { readListed, readSignatures } from '../bundle-files.ts';
import { attachedInWords, attachedRehearsal } from '../rehearsal/attached-rehearsal.ts';
import { whyNotCounted } from '../report/describe-signatures.ts';
import { reportLine } from '../report/report-line.ts';
import type { BundleView } from './bundle-view.ts';

/** A signature and the signer that it names. */
export interface NamedSigner {
  readonly file: string;
  /** Absent for an invalid signature. */
  readonly subject?: string;
  /** SHA-256 of the public key, in hex. */
  readonly key?: string;
  readonly algorithm?: string;
  /** As stated by the signer. */
  readonly signingTime?: string;
  /** Whether it counts; absent without a trust document. */
  readonly counted?: boolean;
  /** Why it does not count. */
  readonly reason?: string;
  /** Why it is invalid. */
  readonly broken?: string;
}

/**
 * The signers of a bundle. Without a verdict, only the signatures themselves are checked, and anyone can create a
 * certificate with any name.
 */
export async function namedSigners({ folders, verdict }: BundleView): Promise<NamedSigner[]> {
  if (verdict !== undefined)
    return verdict.signers.map((each) => {
      const { name, subject, keyFingerprint, algorithm, counted, signingTime } = each;
      const reason = whyNotCounted(each);
      return {
        ...{ file: name, subject: reportLine(subject), key: keyFingerprint, algorithm, counted },
        ...(reason === undefined ? {} : { reason }),
        signingTime: momentOf(signingTime),
      };
    });
  const [folder = ''] = folders;
  const content = await readListed(folder, 'SHA512SUMS', MAX_CHECKSUMS_BYTES, 'bundle-absent');
  const files = await readSignatures(folder);
  return files.map(({ name, bytes }) => {
    try {
      const { certificate, algorithm, signingTime } = verifyDetached(
        bytes,
        content,
        everyAlgorithm,
      );
      const subject = reportLine(certificate.subject);
      const { keyFingerprint: key } = certificate;
      return { file: name, subject, key, algorithm, signingTime: momentOf(signingTime) };
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
      return { file: name, broken: reportLine(`${error.message} [${error.code}]`) };
    }
  });
}

const everyAlgorithm = new Set(allAlgorithms);

/**
 * The images of a CycloneDX document with their packages. Everything else in it is ignored: no decision depends on it.
 * @throws StowageError `document-invalid` if it is not JSON
 */
export function readPackages(document: Buffer): ListedImage[] {
  const { components } = fieldsOf(parseJson(document));
  return listOf(components).flatMap((component) => {
    const { type, 'bom-ref': ref, components: inside, properties } = fieldsOf(component);
    const image = /^image:(.+)$/.exec(textOf(ref) ?? '')?.[1];
    if (type !== 'container' || image === undefined) return [];
    const parts = listOf(inside);
    const system = textOf(fieldsOf(parts.find(isSystem))['description']);
    return [
      {
        image,
        ...(system === undefined ? {} : { system }),
        packages: parts.flatMap(packageOf),
        unread: listOf(properties).flatMap((each) => {
          const { name, value } = fieldsOf(each);
          return name === 'stowage:unread' ? (textOf(value) ?? []) : [];
        }),
      },
    ];
  });
}

function isSystem(component: unknown): boolean {
  return fieldsOf(component)['type'] === 'operating-system';
}

function packageOf(component: unknown): ListedPackage[] {
  const { type, purl, version, licenses } = fieldsOf(component);
  // pkg:TYPE/NAMESPACE/NAME@VERSION?QUALIFIERS, percent-encoded
  const match = /^pkg:([a-z0-9.+-]+)\/([^@?#]+)/.exec(textOf(purl) ?? '');
  if (type !== 'library' || match === null) return [];
  const license = licenseOf(listOf(licenses)[0]);
  return [
    {
      type: match[1] ?? '',
      name: reportLine(decoded(match[2] ?? '')),
      version: textOf(version) ?? '',
      ...(license === undefined ? {} : { license }),
    },
  ];
}

function licenseOf(value: unknown): string | undefined {
  const { expression, license } = fieldsOf(value);
  const { id, name } = fieldsOf(license);
  return textOf(expression) ?? textOf(id) ?? textOf(name);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Text as one line: it was not checked against a schema. */
function textOf(value: unknown): string | undefined {
  const text = anyText(value);
  return text === undefined ? undefined : reportLine(text);
}

/** Reads the rendered objects of a bundle from its parts, by the digest of their document; what cannot be read is left out. */
export async function readRendered({
  bundle,
  folders,
}: BundleView): Promise<ReadonlyMap<Digest, RenderedObjects>> {
  const found = new Map<Digest, RenderedObjects>();
  const blobs = new Map(bundle.blobs.map((each) => [each.digest, each]));
  for (const { objects } of [...(bundle.charts ?? []), ...(bundle.objects ?? [])]) {
    const blob = blobs.get(objects.digest);
    const document = blob && (await documentIn(blob, folders));
    if (document !== undefined) found.set(objects.digest, document);
  }
  return found;
}

async function documentIn(
  { digest, size, parts }: BundleBlob,
  folders: readonly string[],
): Promise<RenderedObjects | undefined> {
  if (size > MAX_OBJECTS_BYTES) return undefined;
  const chunks: Buffer[] = [];
  for (const { path } of parts) {
    const bytes = await partIn(path, folders);
    if (bytes === undefined) return undefined;
    chunks.push(bytes);
  }
  const bytes = Buffer.concat(chunks);
  return digestOf(bytes) === digest ? readCanonical(renderedObjectsKind, bytes) : undefined;
}

/** Missing and damaged parts are reported by verification, not here. */
async function partIn(path: string, folders: readonly string[]): Promise<Buffer | undefined> {
  for (const folder of folders) {
    try {
      return await readBounded(join(folder, path), MAX_OBJECTS_BYTES);
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
    }
  }
  return undefined;
}

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
  /** In words; empty if none was attached. A lock has none. */
  readonly rehearsals: readonly string[];
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
  const rehearsed = attachedInWords(await attachedRehearsal(bundle, view.control));
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
    rehearsals: rehearsed === undefined ? [] : [rehearsed],
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
    rehearsals: [],
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
