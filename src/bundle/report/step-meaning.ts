/** What each step of a verification checks, in the order of the steps, for people who read no code. */
const meanings: ReadonlyMap<string, string> = new Map([
  [
    'trust',
    'whether the bundle brings a newer trust document, and whether the one in force vouches for it',
  ],
  [
    'signatures',
    'every signature file, byte for byte, against the list SHA512SUMS: the mathematics, the certificate and its root, the algorithm, and whether enough different keys of the role signed',
  ],
  [
    'index',
    'that the list has its one form, that bundle.json is the file that the list names, and that it keeps to its schema',
  ],
  [
    'identity',
    'that the channel is one that the trust document allows, where it names any; at a site, also that the bundle is meant for it',
  ],
  [
    'sequence',
    'that the number is not below the floor of the trust document, where it has one; at a site, also that the bundle is neither older than one it took in nor recalled',
  ],
  [
    'inventory',
    'that SHA512SUMS and bundle.json name the same files, that the medium holds these and no other, no link and no device, and that the small files are as signed',
  ],
  ['verify', 'every byte of every part and installer, with its SHA-512'],
]);

/** The steps that a verification away from any site can have, in their order. */
export const knownSteps: readonly string[] = [...meanings.keys()].filter(
  (name) => name !== 'trust',
);

export function stepMeaning(name: string): string {
  return meanings.get(name) ?? 'a check that this report has no words for';
}
