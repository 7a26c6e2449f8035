import type { Dispatch } from '../format/dispatch.ts';

/** Where the control files of a bundle are in the folder of a fleet. @param bundle SHA-512 of `SHA512SUMS` */
export function releaseFolder(bundle: string): string {
  return `releases/${bundle.slice(0, 32)}`;
}

/** Where a dispatch is in the folder of a fleet. */
export function dispatchPath({ site, number }: Pick<Dispatch, 'site' | 'number'>): string {
  return `dispatches/${site}/${number}.json`;
}
