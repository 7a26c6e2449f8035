import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import type { Context } from '../../core/event.ts';
import { MAX_CHECKSUMS_BYTES, MAX_CONTROL_FILE_BYTES, MAX_INDEX_BYTES } from '../../core/limits.ts';
import { type Bundle, bundleKind } from '../../format/bundle.ts';
import { type Checksum, readChecksums } from '../../format/checksums.ts';
import { readCanonical } from '../../format/document.ts';
import type { Trust } from '../../format/trust.ts';
import { evaluateSignatures } from '../../trust/policy.ts';
import {
  type Admission,
  type AdmittedBundle,
  type AdmittedDisc,
  mint,
} from '../admitted-bundle.ts';
import { readListed, readSignatures, requireSum } from '../bundle-files.ts';
import { discLabel } from '../discs.ts';
import { listedFiles, requireAll, requireSameFiles } from '../inventory.ts';
import { namingInstaller } from '../newer-bundle.ts';
import {
  requireFresh,
  requireNewer,
  requireNotRecalled,
  requireSeqFloor,
  requireTrustedChannel,
  requireWelcome,
  type SitePolicy,
} from './admission-policy.ts';
import { approversOf, requireApproved } from './approval.ts';
import { trustOf } from './trust-files.ts';

export interface AdmitOptions extends Context {
  /** The pinned trust document; the bundle may bring what follows it. */
  readonly trust: Trust;
  /** Absent when a bundle is verified for itself, at no site. */
  readonly policy?: SitePolicy;
  /** Whether parts may be missing, as on one disc of several; control files never are. */
  readonly partial?: boolean;
  /** Brings the files of a bundle that comes through a pipe into its folder, none before it may be looked at. */
  readonly arrivals?: Arrivals;
}

/** What {@link PipedBundle} does while it is admitted. */
export interface Arrivals {
  /** The list, its signatures and the trust documents. */
  signed(): Promise<void>;
  /** `bundle.json`. */
  index(): Promise<void>;
  /** The control files that `bundle.json` lists. */
  rest(bundle: Bundle): Promise<void>;
}

/** What one folder of a bundle came to. */
interface Examined extends Omit<Admission, 'discs'> {
  readonly disc: AdmittedDisc;
  readonly checksums: readonly Checksum[];
}

/**
 * Decides whether a bundle may enter, in the order of DESIGN 8. Reads the small files only: parts are hashed
 * where they are copied or verified. Nothing of the bundle is parsed before its signatures held, but for the
 * signatures themselves and the trust documents that the pinned one vouches for.
 * @param places the bundle's folder, or those of its discs: each is judged by itself, and all must be of one bundle
 * @throws StowageError `bundle-mixed`, and what each check throws, with the disc's name where there are several
 */
export async function admit(
  places: string | readonly string[],
  options: AdmitOptions,
): Promise<AdmittedBundle> {
  const folders = typeof places === 'string' ? [places] : places;
  // TUF 5.1: one moment for all that is judged.
  const now = options.now();
  const examined: Examined[] = [];
  for (const folder of folders) {
    const subject = folders.length === 1 ? undefined : discLabel(folder);
    // Not by index: one past the end would be looked up in the prototypes (attack 114).
    const one = await examine(folder, examined.at(0), now, subject, options).catch(
      (error: unknown) => {
        throw subject === undefined ? error : onDisc(error, subject);
      },
    );
    examined.push(one);
  }
  const [first] = examined;
  if (first === undefined) throw new RangeError('no folder to admit');
  const discs = examined.map((each) => each.disc);
  if (options.partial !== true)
    requireAll(
      first.checksums,
      discs.map((each) => each.files),
    );
  const { bundle, id, signers, approvers, trust } = first;
  const controlFiles = new Map(examined.toReversed().flatMap((each) => [...each.controlFiles]));
  return mint({ discs, bundle, id, signers, approvers, trust, controlFiles });
}

async function examine(
  folder: string,
  first: Examined | undefined,
  now: Date,
  subject: string | undefined,
  options: AdmitOptions,
): Promise<Examined> {
  const { policy, emit, arrivals } = options;
  const step = (name: string): void =>
    emit({ type: 'step', step: name, ...(subject === undefined ? {} : { subject }) });

  step('trust');
  await arrivals?.signed();
  const trust = await trustOf(folder, options.trust, now);

  step('signatures');
  const checksumBytes = await readListed(
    folder,
    'SHA512SUMS',
    MAX_CHECKSUMS_BYTES,
    'bundle-absent',
  );
  const id = sriHex(sriOf(checksumBytes));
  if (first !== undefined && id !== first.id) throw mixed(first.id, id);
  const signatures = await readSignatures(folder);
  const signers = evaluateSignatures(trust, 'release', checksumBytes, signatures, now);
  const released = { trust, content: checksumBytes, signatures, signers, now };
  const approvers =
    policy?.requireApproval === true ? requireApproved(released) : approversOf(released);

  step('index');
  // What has the digests of the first disc's is the same, and in memory once.
  const checksums = first?.checksums ?? readChecksums(checksumBytes);
  await arrivals?.index();
  const indexBytes = await readListed(folder, 'bundle.json', MAX_INDEX_BYTES, 'part-missing');
  requireSum(checksums, 'bundle.json', indexBytes);
  const bundle =
    first?.bundle ??
    namingInstaller({ checksums, ...(arrivals === undefined ? { folder } : {}) }, () =>
      readCanonical(bundleKind, indexBytes),
    );

  step('identity');
  requireTrustedChannel(bundle, trust);
  if (policy !== undefined) requireWelcome(bundle, policy);
  step('sequence');
  requireSeqFloor(bundle, trust);
  if (policy !== undefined) {
    requireNewer(bundle, id, policy.state);
    requireNotRecalled(bundle, policy.state.recalls);
    if (policy.acceptAge === undefined) requireFresh(signers, trust, now);
  }

  step('inventory');
  requireSameFiles(checksums, bundle);
  await arrivals?.rest(bundle);
  const files = await listedFiles(folder, checksums);
  const controlFiles = new Map([
    ['SHA512SUMS', checksumBytes],
    ['bundle.json', indexBytes],
    ...signatures.map(({ name, bytes }): [string, Buffer] => [`signatures/${name}`, bytes]),
  ]);
  for (const { path } of bundle.control) {
    const bytes = await readListed(folder, path, MAX_CONTROL_FILE_BYTES, 'part-missing');
    requireSum(checksums, path, bytes);
    controlFiles.set(path, bytes);
  }
  for (const [path, bytes] of first?.controlFiles ?? [])
    if (!path.startsWith('signatures/')) controlFiles.set(path, bytes);
  const disc = { folder, files };
  return { disc, checksums, bundle, id, signers, approvers, trust, controlFiles };
}

function mixed(expected: string, found: string): StowageError {
  return new StowageError('bundle-mixed', 'these discs are of different bundles', {
    expected: `SHA512SUMS whose SHA-512 is ${expected}, as on the first disc`,
    found,
    hint: 'take the discs of one bundle only; stowage inspect says of each what it is of',
  });
}

// The same error, with the disc that it is about.
function onDisc(error: unknown, disc: string): unknown {
  if (!(error instanceof StowageError)) return error;
  const { code, message, expected, found, hint, defects, cause } = error;
  return new StowageError(code, `${disc}: ${message}`, {
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
    ...{ hint, defects, cause },
  });
}
