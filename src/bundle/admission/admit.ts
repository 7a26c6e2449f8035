import type { Context } from '../../core/context.ts';
import { type Sri, sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_CHECKSUMS_BYTES, MAX_INDEX_BYTES } from '../../core/limits.ts';
import { bundleKind } from '../../format/bundle.ts';
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
import { readControlFiles, readListed, readSignatures, sumOf } from '../bundle-files.ts';
import { checkManifestsIn } from '../check-manifests.ts';
import { type ControlFile, controlFile } from '../control-file.ts';
import { discLabel } from '../discs.ts';
import { missingFiles, requireSameFiles, takeInventory } from '../inventory.ts';
import { FolderMedium, type Medium } from '../medium.ts';
import { withInstallerHint } from '../read-index.ts';
import { throwWorst } from '../worst-fault.ts';
import {
  requireFresh,
  requireNewer,
  requireNotRecalled,
  requireSeqFloor,
  requireSiteMatch,
  requireTrustedChannel,
  type SitePolicy,
} from './admission-policy.ts';
import { approversOf, requireApproved } from './approval.ts';
import { trustOf } from './trust-files.ts';

export interface AdmitOptions extends Context {
  /** The pinned trust document; the bundle may contain newer ones. */
  readonly trust: Trust;
  /** Absent when a bundle is verified away from any site. */
  readonly policy?: SitePolicy;
  /** Whether parts may be missing, as on one disc of several; control files never are. */
  readonly partial?: boolean;
}

/** What was found in one folder of a bundle. */
interface Examined extends Omit<Admission, 'discs'> {
  readonly disc: AdmittedDisc;
  readonly faults: readonly StowageError[];
  /** The listed files that are not there, for a reason that one of the faults names. */
  readonly explained: ReadonlySet<string>;
  readonly checksums: readonly Checksum[];
}

/**
 * Decides whether a bundle in a folder, or on discs, may be imported; see {@link admitMedium}.
 * @param places the bundle's folder, or those of its discs
 */
export function admit(
  places: string | readonly string[],
  options: AdmitOptions,
): Promise<AdmittedBundle> {
  return admitMedium(new FolderMedium(typeof places === 'string' ? [places] : places), options);
}

/**
 * Decides whether a bundle may be imported, in the order of DESIGN 8. Reads control files and the manifests of images
 * and models: other parts are hashed where they are copied or verified. Nothing of the bundle is parsed before its signatures hold, except the signatures
 * themselves and the trust documents that the pinned one vouches for. Each disc is checked separately, and all must
 * belong to one bundle.
 * @throws StowageError `bundle-mixed`, and what each check throws, with the disc's name where there are several
 */
export async function admitMedium(medium: Medium, options: AdmitOptions): Promise<AdmittedBundle> {
  const { admission, faults } = await survey(medium, options);
  throwWorst(faults);
  return mint(admission);
}

/** What admission found, and what is wrong with single files: each fault refuses the bundle. */
export interface Survey {
  readonly admission: Admission;
  /** Files that are missing, damaged, or not on the list. */
  readonly faults: readonly StowageError[];
}

/**
 * Like {@link admit}, but returns what is wrong with single files, so that a verification can hash the parts too and
 * report everything. The result cannot be imported.
 * @throws StowageError as {@link admit}, except for single files
 */
export function surveyBundle(folders: readonly string[], options: AdmitOptions): Promise<Survey> {
  return survey(new FolderMedium(folders), options);
}

async function survey(medium: Medium, options: AdmitOptions): Promise<Survey> {
  const { folders } = medium;
  // TUF 5.1: one point in time for every check.
  const now = options.now();
  const examined: Examined[] = [];
  const faults: StowageError[] = [];
  for (const folder of folders) {
    const subject = folders.length === 1 ? undefined : discLabel(folder);
    // Not by index: one past the end would be looked up in the prototypes (attack 114).
    const first = examined.at(0);
    const one = await examine({ folder, medium, first, now, subject }, options).catch(
      (error: unknown) => {
        throw subject === undefined || !(error instanceof StowageError)
          ? error
          : onDisc(error, subject);
      },
    );
    examined.push(one);
    for (const each of one.faults)
      faults.push(subject === undefined ? each : onDisc(each, subject));
  }
  const [first] = examined;
  if (first === undefined) throw new RangeError('no folder to admit');
  const discs = examined.map((each) => each.disc);
  if (options.partial !== true) {
    const missing = missingFiles(
      first.checksums,
      examined.flatMap((each) => [each.disc.files, each.explained]),
      'for an increment, run stowage verify with --partial',
    );
    if (missing !== undefined) faults.push(missing);
  }
  const { bundle, id, signers, approvers, trust } = first;
  const controlFiles = new Map(examined.toReversed().flatMap((each) => [...each.controlFiles]));
  const admission = { discs, bundle, id, signers, approvers, trust, controlFiles };
  return { admission, faults };
}

interface Examination {
  readonly folder: string;
  readonly medium: Medium;
  /** What was found in the first folder, when this is another. */
  readonly first: Examined | undefined;
  readonly now: Date;
  /** The disc's name, where there are several. */
  readonly subject: string | undefined;
}

async function examine(
  { folder, medium, first, now, subject }: Examination,
  options: AdmitOptions,
): Promise<Examined> {
  const { policy, emit } = options;
  const step = (name: string): void =>
    emit({ type: 'step', step: name, ...(subject === undefined ? {} : { subject }) });

  step('trust');
  await medium.readSigned();
  const trust = await trustOf(folder, options.trust, now);

  step('signatures');
  const checksumBytes = await readListed(
    folder,
    'SHA512SUMS',
    MAX_CHECKSUMS_BYTES,
    'bundle-absent',
  );
  const listSum = sriOf(checksumBytes);
  const id = sriHex(listSum);
  if (first !== undefined && id !== first.id) throw mixed(first.id, id);
  const signatures = await readSignatures(folder);
  const signers = evaluateSignatures(trust, 'release', { content: checksumBytes, signatures }, now);
  const released = { trust, content: checksumBytes, signatures, signers, now };
  const approvers =
    policy?.requireApproval === true ? requireApproved(released) : approversOf(released);

  step('index');
  // A disc with the first disc's digests has the same documents: they are kept in memory once.
  const checksums = first?.checksums ?? readChecksums(checksumBytes);
  await medium.readIndex();
  const indexBytes = await readListed(folder, 'bundle.json', MAX_INDEX_BYTES, 'part-missing');
  const indexSum = sumOf(checksums, 'bundle.json', indexBytes);
  const bundle =
    first?.bundle ??
    withInstallerHint({ checksums, folder: medium.visibleFolder(folder) }, () =>
      readCanonical(bundleKind, indexBytes),
    );

  step('identity');
  requireTrustedChannel(bundle, trust);
  if (policy !== undefined) requireSiteMatch(bundle, id, policy);
  step('sequence');
  requireSeqFloor(bundle, trust);
  if (policy !== undefined) {
    requireNewer(bundle, id, policy.state);
    requireNotRecalled(bundle, policy.state.recalls);
    if (policy.acceptAge === undefined) requireFresh(signers, trust, now);
  }

  step('inventory');
  requireSameFiles(checksums, bundle);
  await medium.readControlFiles(bundle);
  const inventory = await takeInventory(folder, checksums);
  const { files, explained } = inventory;
  await checkManifestsIn(folder, files, bundle);
  const kept = (path: string, bytes: Buffer, sha512: Sri): [string, ControlFile] => [
    path,
    controlFile({ folder, path, sha512 }, bytes),
  ];
  const controlFiles = new Map([
    kept('SHA512SUMS', checksumBytes, listSum),
    kept('bundle.json', indexBytes, indexSum),
    ...signatures.map(({ name, bytes }) => kept(`signatures/${name}`, bytes, sriOf(bytes))),
  ]);
  const paths = bundle.control.map(({ path }) => path).filter((path) => !explained.has(path));
  const control = await readControlFiles(folder, paths, checksums);
  for (const [path, file] of control.files) controlFiles.set(path, file);
  for (const [path, file] of first?.controlFiles ?? [])
    if (!path.startsWith('signatures/')) controlFiles.set(path, file);
  const disc = { folder, files };
  const admission = { bundle, id, signers, approvers, trust, controlFiles };
  return {
    ...{ ...admission, disc, checksums },
    faults: [...inventory.faults, ...control.faults.values()],
    explained: new Set([...explained, ...control.faults.keys()]),
  };
}

function mixed(expected: string, found: string): StowageError {
  return new StowageError('bundle-mixed', 'these discs belong to different bundles', {
    expected: `SHA512SUMS whose SHA-512 is ${expected}, as on the first disc`,
    found,
    hint: 'give the discs of one bundle only; stowage inspect shows which bundle each disc belongs to',
  });
}

// The same error, naming the disc.
function onDisc(error: StowageError, disc: string): StowageError {
  const { code, message, expected, found, hint, defects, cause } = error;
  return new StowageError(code, `${disc}: ${message}`, {
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
    ...{ hint, defects, cause },
  });
}
