import { join } from 'node:path';
import { StowageError } from '../core/error.ts';
import { MAX_CHECKSUMS_BYTES, MAX_INDEX_BYTES } from '../core/limits.ts';
import { readChecksums } from '../format/checksums.ts';
import { exists, makeFolder, readBounded, syncFolder, writeAtomic } from '../io/file.ts';
import { type Signer, signDetached } from '../trust/cms-sign.ts';
import { requireSum } from './bundle-files.ts';

/**
 * Adds a signature over a bundle's `SHA512SUMS`, without touching another byte.
 * @param name of the file under `signatures/`, without `.p7s`
 * @returns where the signature lies
 * @throws StowageError `output-exists`, `file-missing`, `checksums-malformed`, `part-damaged`
 */
export async function signBundle(
  folder: string,
  name: string,
  signer: Signer,
  now: Date,
): Promise<string> {
  const checksumBytes = await readBounded(join(folder, 'SHA512SUMS'), MAX_CHECKSUMS_BYTES);
  const index = await readBounded(join(folder, 'bundle.json'), MAX_INDEX_BYTES);
  requireSum(readChecksums(checksumBytes), 'bundle.json', index);
  const place = join(folder, 'signatures');
  const path = join(place, `${name}.p7s`);
  if (await exists(path)) {
    throw new StowageError('output-exists', `${path} exists already`, {
      expected: 'a name that is free',
      found: 'a signature',
      hint: 'choose another --name, or remove the old signature',
    });
  }
  const signature = signDetached(checksumBytes, signer, now);
  await makeFolder(place);
  await writeAtomic(path, signature);
  await syncFolder(folder);
  return path;
}

/** A signature file's name made from who signs: lower-case letters, digits and hyphens. */
export function signatureName(subject: string): string {
  const common = /(?:^|, )CN=([^,]+)/.exec(subject)?.[1] ?? subject;
  const name = common
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60);
  return name === '' ? 'signer' : name;
}
