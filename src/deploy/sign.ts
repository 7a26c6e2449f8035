import { join } from 'node:path';
import { sriHex, sriOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_CHECKSUMS_BYTES, MAX_INDEX_BYTES } from '../core/limits.ts';
import { readChecksums } from '../format/checksums.ts';
import { exists, makeFolder, readBounded, syncFolder, writeAtomic } from '../io/file.ts';
import { type Signer, signDetached } from '../trust/cms-sign.ts';
import { requireSum } from './bundle-files.ts';

/** A bundle to which a signature of a name that is free can be added. */
export interface SignableBundle {
  readonly folder: string;
  /** The bytes of `SHA512SUMS`, which are what is signed. */
  readonly checksums: Buffer;
  /** Their SHA-512, 128 hex digits. */
  readonly id: string;
  /** Where the signature will lie. */
  readonly path: string;
}

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
  const bundle = await openForSigning(folder, name);
  return addSignature(bundle, signDetached(bundle.checksums, signer, now));
}

/**
 * Before a person is asked for a passphrase or a token for a touch: is this a finished bundle, and the name free?
 * @throws StowageError as {@link signBundle}
 */
export async function openForSigning(folder: string, name: string): Promise<SignableBundle> {
  const checksums = await readBounded(join(folder, 'SHA512SUMS'), MAX_CHECKSUMS_BYTES);
  const index = await readBounded(join(folder, 'bundle.json'), MAX_INDEX_BYTES);
  requireSum(readChecksums(checksums), 'bundle.json', index);
  const path = join(folder, 'signatures', `${name}.p7s`);
  if (!(await exists(path))) return { folder, checksums, id: sriHex(sriOf(checksums)), path };
  throw new StowageError('output-exists', `${path} exists already`, {
    expected: 'a name that is free',
    found: 'a signature',
    hint: 'choose another --name, or remove the old signature',
  });
}

/** @returns where the signature lies */
export async function addSignature(bundle: SignableBundle, signature: Buffer): Promise<string> {
  await makeFolder(join(bundle.folder, 'signatures'));
  await writeAtomic(bundle.path, signature);
  await syncFolder(bundle.folder);
  return bundle.path;
}

/**
 * A signature file's name made from who signs: lower-case letters, digits and hyphens. What a signature counts for is
 * decided by its root; the role in the name is for people.
 */
export function signatureName(subject: string, role: 'release' | 'approval' = 'release'): string {
  const common = /(?:^|, )CN=([^,]+)/.exec(subject)?.[1] ?? subject;
  const name = common
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60);
  const signer = name === '' ? 'signer' : name;
  return role === 'release' ? signer : `${role}-${signer}`;
}
