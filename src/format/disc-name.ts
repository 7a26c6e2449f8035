/** What the name of a disc's folder says; nobody signed it, so it decides nothing. */
export interface DiscNumber {
  readonly number: number;
  /** How many there are. */
  readonly of: number;
}

const NAME = /^disc-([1-9][0-9]{0,3})-of-([1-9][0-9]{0,3})$/;

export function discName(number: number, of: number): string {
  return `disc-${number}-of-${of}`;
}

/** What a folder's name says, or undefined for another name. */
export function parseDiscName(name: string): DiscNumber | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const number = Number(match[1]);
  const of = Number(match[2]);
  return number <= of ? { number, of } : undefined;
}
