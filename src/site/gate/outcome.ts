/** What a passed check found, as evidence for the receipt. */
export interface Passed {
  readonly passed: string;
}

/** The outcome of a check: what it found, as a text alone if that is not what was expected. */
export type Outcome = Passed | string;

/** A check of what a server answers. */
export interface ServerCheck {
  /** The expected answer, in words. */
  readonly expected: string;
  /** Sends the request; what the server answered, as evidence or as the reason of a failure. */
  readonly run: () => Promise<Outcome>;
}
