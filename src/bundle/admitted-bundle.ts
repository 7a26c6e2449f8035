import type { Bundle } from '../format/bundle.ts';
import type { Trust } from '../format/trust.ts';
import type { SignerVerdict } from '../trust/policy.ts';

const minted: unique symbol = Symbol('minted');

/** One folder of a bundle: the bundle whole, or a disc of several. */
export interface AdmittedDisc {
  readonly folder: string;
  /** The files of the list that lay in it. */
  readonly files: ReadonlySet<string>;
}

/** What admission found true of a bundle. */
export interface Admission {
  /** At least one. */
  readonly discs: readonly AdmittedDisc[];
  readonly bundle: Bundle;
  /** SHA-512 of `SHA512SUMS`, 128 hex digits. */
  readonly id: string;
  readonly signers: readonly SignerVerdict[];
  /** Whose signatures count for the role `approval`; none when there are too few, or there is no such role. */
  readonly approvers: readonly SignerVerdict[];
  /** What judged it: the pinned trust document, or the newest that the bundle leads to from there. */
  readonly trust: Trust;
  /** `SHA512SUMS`, `bundle.json`, the signatures and the control files, as they were verified: path and bytes. */
  readonly controlFiles: ReadonlyMap<string, Buffer>;
}

/** A bundle that may enter. Only {@link mint}, called by `admit` alone, makes one; staging and planning take nothing else. */
export class AdmittedBundle implements Admission {
  readonly discs: readonly AdmittedDisc[];
  readonly bundle: Bundle;
  readonly id: string;
  readonly signers: readonly SignerVerdict[];
  readonly approvers: readonly SignerVerdict[];
  readonly trust: Trust;
  readonly controlFiles: ReadonlyMap<string, Buffer>;

  constructor(key: typeof minted, admission: Admission) {
    if (key !== minted) throw new TypeError('only admission makes an admitted bundle');
    this.discs = admission.discs;
    this.bundle = admission.bundle;
    this.id = admission.id;
    this.signers = admission.signers;
    this.approvers = admission.approvers;
    this.trust = admission.trust;
    this.controlFiles = admission.controlFiles;
  }

  /** The first of its folders, or the only one. */
  get folder(): string {
    return this.discs[0]?.folder ?? '';
  }
}

/** For `admit.ts` alone; the architecture test holds others to it. */
export function mint(admission: Admission): AdmittedBundle {
  return new AdmittedBundle(minted, admission);
}
