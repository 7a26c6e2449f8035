import { fileURLToPath } from 'node:url';
import { run } from './process.ts';

const REGISTRIES = fileURLToPath(new URL('registries.conf', import.meta.url));
// Neither the policy nor the registries of this machine count.
const SETTINGS: readonly string[] = ['--insecure-policy', `--registries-conf=${REGISTRIES}`];

/** Runs skopeo and gives its standard output. @throws Error when it fails */
export function skopeo(args: readonly string[]): Promise<string> {
  return run('skopeo', [...SETTINGS, ...args]);
}
