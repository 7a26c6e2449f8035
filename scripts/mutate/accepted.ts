/** A mutant that may survive, and why. */
export interface Accepted {
  /** `file#function: kind: the changed lines`, as the report says it. */
  readonly mutant: string;
  readonly reason: string;
}

/** Looked at one by one. An entry that no mutant of a whole run survives under is reported, and has to go. */
export const accepted: readonly Accepted[] = [];
