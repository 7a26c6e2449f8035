/** The oldest Node that has all that Stowage asks of it: ML-DSA, and ssri's own demand. */
const OLDEST = [24, 15] as const;

/** What is wrong with a Node version such as `20.20.2`, as a person reads it; undefined when it will do. */
export function nodeDefect(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return undefined;
  return `stowage: error: this Node is too old [host-unfit]
  expected: Node ${OLDEST.join('.')} or later
  found:    ${version}
  hint: in a checkout, scripts/stowage runs the Node that the project brings; elsewhere, install a newer Node
`;
}
