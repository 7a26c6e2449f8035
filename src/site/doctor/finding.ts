/** What one check of the host came to. */
export interface Finding {
  readonly area: 'computes' | 'runtime' | 'environment' | 'clock' | 'engine';
  readonly check: string;
  /** `wrong` makes the host unfit; `doubt` is for a person to judge. */
  readonly verdict: 'right' | 'doubt' | 'wrong';
  readonly found: string;
  readonly hint?: string;
}
