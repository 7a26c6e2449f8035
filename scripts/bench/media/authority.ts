import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { measureStowage } from '../measure.ts';

/** Files of a throwaway authority. */
export interface Authority {
  readonly root: string;
  /** SHA-256 of the root, in hex. */
  readonly fingerprint: string;
  readonly key: string;
  readonly certificate: string;
}

export async function makeAuthority(folder: string): Promise<Authority> {
  const place = join(folder, 'pki');
  await measureStowage(['pki', place]);
  const root = join(place, 'root.pem');
  const fingerprint = new X509Certificate(readFileSync(root)).fingerprint256.replaceAll(':', '');
  const [key, certificate] = [join(place, 'release.key.pem'), join(place, 'release.pem')];
  return { root, fingerprint, key, certificate };
}

/** The arguments of an import into a new site. */
export function importArguments(
  bundle: string,
  site: string,
  { root, fingerprint }: Authority,
): string[] {
  return ['import', bundle, '--root', site, '--trust', root, '--fingerprint', fingerprint];
}
