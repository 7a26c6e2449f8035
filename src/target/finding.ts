/** The result of one check of the host, or of what runs its services. */
export interface Finding {
  readonly area: 'computes' | 'runtime' | 'environment' | 'clock' | 'engine' | 'cluster';
  readonly check: string;
  /** `wrong` makes the host unfit; a person must judge a `doubt`. */
  readonly verdict: 'right' | 'doubt' | 'wrong';
  readonly found: string;
  readonly hint?: string;
}
