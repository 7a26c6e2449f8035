import { join } from 'node:path';
import { StowageError } from '../../core/error.ts';
import { exists, makeFolder, syncFolder, writeAtomic } from '../../io/file.ts';
import { type Signer, signDetached } from '../../trust/cms-sign.ts';
import { findDiscs } from '../discs.ts';
import { mixed, type ReadIndex, readIndex } from '../read-index.ts';

/** A bundle, or all discs of one, to which a signature can be added. */
export interface SignableBundle {
  /** The bundle's folder, or those of its discs. */
  readonly folders: readonly string[];
  /** The bytes of `SHA512SUMS`: the content that is signed. */
  readonly checksums: Buffer;
  /** Their SHA-512, 128 hex digits. */
  readonly id: string;
  /** The path of the new signature in the first folder. */
  readonly path: string;
  /** The name of its file. */
  readonly file: string;
}

/**
 * Adds a signature over a bundle's `SHA512SUMS`, on every disc of a folder of discs; no other file is changed.
 * @param name of the file under `signatures/`, without `.p7s`
 * @returns the path of the signature, on the first disc
 * @throws StowageError `output-exists`, `bundle-absent`, `checksums-malformed`, `part-damaged`, `bundle-mixed`
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
 * Checks that this is a complete bundle and the signature's name is unused, before the user has to enter a passphrase or
 * touch a token.
 * @throws StowageError as {@link signBundle}
 */
export async function openForSigning(place: string, name: string): Promise<SignableBundle> {
  const folders = await findDiscs([place]);
  const file = `${name}.p7s`;
  let first: ReadIndex | undefined;
  for (const folder of folders) {
    const index = await readIndex(folder);
    first ??= index;
    if (index.id !== first.id) throw mixed(folder, first.id, index.id);
    const path = join(folder, 'signatures', file);
    if (!(await exists(path))) continue;
    throw new StowageError('output-exists', `${path} exists already`, {
      expected: 'an unused file name',
      found: 'a signature',
      hint: 'choose another --name, or remove the old signature',
    });
  }
  if (first === undefined) throw new RangeError('findDiscs gives at least one folder');
  const path = join(folders[0] ?? '', 'signatures', file);
  return { folders, checksums: first.list, id: first.id, path, file };
}

/** Writes one signature to every disc. @returns its path on the first */
export async function addSignature(bundle: SignableBundle, signature: Buffer): Promise<string> {
  for (const folder of bundle.folders) {
    await makeFolder(join(folder, 'signatures'));
    await writeAtomic(join(folder, 'signatures', bundle.file), signature);
    await syncFolder(folder);
  }
  return bundle.path;
}

/**
 * The name of a signature file, derived from the signer: lower-case letters, digits and hyphens. The role in the name is
 * only informative: the root of the signer decides which role a signature counts for.
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
