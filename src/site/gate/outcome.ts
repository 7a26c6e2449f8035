/** What a passed check found, as evidence for the receipt. */
export interface Passed {
  readonly passed: string;
}

/** The outcome of a check: what it found, as a text alone if that is not what was expected. */
export type Outcome = Passed | string;
