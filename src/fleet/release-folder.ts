/** Where the control files of a bundle are in the folder of a fleet. @param bundle SHA-512 of `SHA512SUMS` */
export function releaseFolder(bundle: string): string {
  return `releases/${bundle.slice(0, 32)}`;
}
