import { sriHex, sriOf } from '../core/digest.ts';
import type { Context } from '../core/event.ts';
import { MAX_CHECKSUMS_BYTES, MAX_CONTROL_FILE_BYTES, MAX_INDEX_BYTES } from '../core/limits.ts';
import { bundleKind } from '../format/bundle.ts';
import { readChecksums } from '../format/checksums.ts';
import { readCanonical } from '../format/document.ts';
import type { Trust } from '../format/trust.ts';
import { evaluateSignatures } from '../trust/policy.ts';
import {
  type Gatekeeper,
  requireFresh,
  requireNewer,
  requireNotRecalled,
  requireSeqFloor,
  requireTrustedChannel,
  requireWelcome,
} from './admission-policy.ts';
import { type AdmittedBundle, mint } from './admitted-bundle.ts';
import { readListed, readSignatures, requireSum } from './bundle-files.ts';
import { requireOnlyListed, requireSameFiles } from './inventory.ts';
import { trustOf } from './trust-walk.ts';

export interface AdmitOptions extends Context {
  /** The pinned trust document; the bundle may bring what follows it. */
  readonly trust: Trust;
  /** Absent when a bundle is verified for itself, at no site. */
  readonly gatekeeper?: Gatekeeper;
}

/**
 * Decides whether a bundle may enter, in the order of DESIGN 8. Reads the small files only: parts are hashed
 * where they are copied or verified. Nothing of the bundle is parsed before its signatures held, but for the
 * signatures themselves and the trust documents that the pinned one vouches for.
 */
export async function admit(folder: string, options: AdmitOptions): Promise<AdmittedBundle> {
  const { gatekeeper, emit } = options;
  const step = (name: string): void => emit({ type: 'step', step: name });
  // TUF 5.1: one moment for all that is judged.
  const now = options.now();

  step('trust');
  const trust = await trustOf(folder, options.trust, now);

  step('signatures');
  const checksumBytes = await readListed(
    folder,
    'SHA512SUMS',
    MAX_CHECKSUMS_BYTES,
    'bundle-absent',
  );
  const signatures = await readSignatures(folder);
  const signers = evaluateSignatures(trust, 'release', checksumBytes, signatures, now);
  if (gatekeeper?.requireApproval === true)
    evaluateSignatures(trust, 'approval', checksumBytes, signatures, now);
  const id = sriHex(sriOf(checksumBytes));

  step('index');
  const checksums = readChecksums(checksumBytes);
  const indexBytes = await readListed(folder, 'bundle.json', MAX_INDEX_BYTES, 'part-missing');
  requireSum(checksums, 'bundle.json', indexBytes);
  const bundle = readCanonical(bundleKind, indexBytes);

  step('identity');
  requireTrustedChannel(bundle, trust);
  if (gatekeeper !== undefined) requireWelcome(bundle, gatekeeper);
  step('sequence');
  requireSeqFloor(bundle, trust);
  if (gatekeeper !== undefined) {
    requireNewer(bundle, id, gatekeeper.state);
    requireNotRecalled(bundle, gatekeeper.state.recalls);
    if (gatekeeper.acceptAge === undefined) requireFresh(signers, trust, now);
  }

  step('inventory');
  requireSameFiles(checksums, bundle);
  await requireOnlyListed(folder, checksums);
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
  return mint({ folder, bundle, id, signers, trust, controlFiles });
}
