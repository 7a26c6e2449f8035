/** The number of a disc from the name of its folder. It is not signed, so it is used for display only. */
export interface DiscNumber {
  readonly number: number;
  /** How many there are. */
  readonly of: number;
}

const NAME = /^disc-([1-9][0-9]{0,3})-of-([1-9][0-9]{0,3})$/;

export function discName(number: number, of: number): string {
  return `disc-${number}-of-${of}`;
}

/** Parses a folder name; undefined for any other name. */
export function parseDiscName(name: string): DiscNumber | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const number = Number(match[1]);
  const of = Number(match[2]);
  return number <= of ? { number, of } : undefined;
}
