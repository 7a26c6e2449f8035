import type { Seen } from '../../content/seen.ts';
import type { Lock } from '../../format/lock.ts';
import type { GivenTrust } from '../admission/trust-files.ts';
import { type AttachedRehearsal, attachedRehearsal } from '../rehearsal/attached-rehearsal.ts';
import { type BundleView, type Presence, presentDiscs } from './bundle-view.ts';
import {
  type NamedSigner,
  namedSigners,
  readPackageLists,
  readPackedLock,
  readRendered,
} from './comparable.ts';
import { readPlatforms } from './platforms.ts';

/** Everything that is known about a bundle without reading the content of models, images and files. */
export interface Inspection extends Seen {
  readonly view: BundleView;
  /** The trust document that decided which signatures count; absent if none was given. */
  readonly given?: GivenTrust;
  /** Absent for a complete bundle in one folder. */
  readonly here?: Presence;
  readonly signers: readonly NamedSigner[];
  /** Absent if it cannot be read. */
  readonly lock?: Lock;
  readonly attached: AttachedRehearsal;
  readonly madeAt: Date;
}

/** @param given the trust document that the bundle was checked with */
export async function inspection(
  view: BundleView,
  given: GivenTrust | undefined,
  now: Date,
): Promise<Inspection> {
  const lock = await readPackedLock(view);
  const bill = await readPackageLists(view);
  const here = await presentDiscs(view);
  return {
    ...{ view, ...(given && { given }), ...(lock && { lock }), ...(bill && { bill }) },
    ...(here && { here }),
    attached: await attachedRehearsal(view.bundle, view.control),
    platforms: await readPlatforms(view),
    objects: await readRendered(view),
    signers: await namedSigners(view),
    madeAt: now,
  };
}
