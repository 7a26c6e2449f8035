/** What led to an error, and what a person does about it; lower case, no full stop. */
export interface Explained {
  readonly cause: string;
  /** Never how to skip a check. */
  readonly remedy: string;
}

export function explained(cause: string, remedy: string): Explained {
  return { cause, remedy };
}
