import type { Bundle } from '../format/bundle.ts';
import type { Trust } from '../format/trust.ts';
import type { SignerVerdict } from '../trust/policy.ts';
import type { ControlFile } from './control-file.ts';

const minted: unique symbol = Symbol('minted');

/** One folder of a bundle: the complete bundle, or one of several discs. */
export interface AdmittedDisc {
  readonly folder: string;
  /** The listed files that it holds. */
  readonly files: ReadonlySet<string>;
}

/** What admission verified about a bundle. */
export interface Admission {
  /** At least one. */
  readonly discs: readonly AdmittedDisc[];
  readonly bundle: Bundle;
  /** SHA-512 of `SHA512SUMS`, 128 hex digits. */
  readonly id: string;
  readonly signers: readonly SignerVerdict[];
  /** The signers that count for the role `approval`; empty when there are too few, or there is no such role. */
  readonly approvers: readonly SignerVerdict[];
  /** The trust document that applied: the pinned one, or the newest in the bundle whose chain starts at it. */
  readonly trust: Trust;
  /** `SHA512SUMS`, `bundle.json`, the signatures and the control files, as they were verified, by path. */
  readonly controlFiles: ReadonlyMap<string, ControlFile>;
}

/** A bundle that may be imported. Only {@link mint}, called by `admit` alone, creates one; staging and planning require it. */
export class AdmittedBundle implements Admission {
  readonly discs: readonly AdmittedDisc[];
  readonly bundle: Bundle;
  readonly id: string;
  readonly signers: readonly SignerVerdict[];
  readonly approvers: readonly SignerVerdict[];
  readonly trust: Trust;
  readonly controlFiles: ReadonlyMap<string, ControlFile>;

  constructor(key: typeof minted, admission: Admission) {
    if (key !== minted) throw new TypeError('only admission creates an admitted bundle');
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

/** For `admit.ts` only; the architecture test enforces this. */
export function mint(admission: Admission): AdmittedBundle {
  return new AdmittedBundle(minted, admission);
}
