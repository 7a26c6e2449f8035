import type { Seen } from '../../content/seen.ts';
import type { Lock } from '../../format/lock.ts';
import type { GivenTrust } from '../admission/trust-anchor.ts';
import { readBill, readLockOf } from './comparable.ts';
import type { Looked } from './look.ts';
import { readPlatforms } from './platforms.ts';
import { type NamedSigner, namedSigners } from './signers.ts';

/** All that can be said of a bundle whose parts were not read. */
export interface Inspection extends Seen {
  readonly looked: Looked;
  /** Whose signatures counted; absent where nobody said. */
  readonly given?: GivenTrust;
  readonly signers: readonly NamedSigner[];
  /** Absent where it cannot be read. */
  readonly lock?: Lock;
  readonly madeAt: Date;
}

/** @param given the trust that the bundle was looked at with */
export async function inspection(
  looked: Looked,
  given: GivenTrust | undefined,
  now: Date,
): Promise<Inspection> {
  const lock = await readLockOf(looked);
  const bill = await readBill(looked);
  return {
    ...{ looked, ...(given && { given }), ...(lock && { lock }), ...(bill && { bill }) },
    platforms: await readPlatforms(looked),
    signers: await namedSigners(looked),
    madeAt: now,
  };
}
