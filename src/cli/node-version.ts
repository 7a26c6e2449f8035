/** The oldest supported Node: Stowage needs ML-DSA, and ssri has its own minimum. */
const OLDEST = [24, 15] as const;

/** The error text for a Node version such as `20.20.2`; undefined if the version is supported. */
export function nodeDefect(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return undefined;
  return `stowage: error: this version of Node is too old [host-unfit]
  expected: Node ${OLDEST.join('.')} or later
  found:    ${version}
  hint: install a newer Node; in a checkout, run scripts/stowage, which uses the Node of the project
`;
}
