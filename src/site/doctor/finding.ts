/** The result of one check of the host. */
export interface Finding {
  readonly area: 'computes' | 'runtime' | 'environment' | 'clock' | 'engine';
  readonly check: string;
  /** `wrong` makes the host unfit; a person must judge a `doubt`. */
  readonly verdict: 'right' | 'doubt' | 'wrong';
  readonly found: string;
  readonly hint?: string;
}
