import { join } from 'node:path';
import { StowageError } from '../../core/error.ts';
import { exists, makeFolder, syncFolder, writeAtomic } from '../../io/file.ts';
import { type Signer, signDetached } from '../../trust/cms-sign.ts';
import { findDiscs } from '../discs.ts';
import { mixed, type ReadIndex, readIndex } from '../read-index.ts';

/** A bundle, or all discs of one, to which a signature of a name that is free can be added. */
export interface SignableBundle {
  /** The bundle's folder, or those of its discs. */
  readonly folders: readonly string[];
  /** The bytes of `SHA512SUMS`, which are what is signed. */
  readonly checksums: Buffer;
  /** Their SHA-512, 128 hex digits. */
  readonly id: string;
  /** Where the signature will lie, in the first folder. */
  readonly path: string;
  /** The name of its file. */
  readonly file: string;
}

/**
 * Adds a signature over a bundle's `SHA512SUMS`, without touching another byte; on each disc of a folder of discs.
 * @param name of the file under `signatures/`, without `.p7s`
 * @returns where the signature lies
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
 * Before a person is asked for a passphrase or a token for a touch: is this a finished bundle, and the name free?
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
      expected: 'a name that is free',
      found: 'a signature',
      hint: 'choose another --name, or remove the old signature',
    });
  }
  if (first === undefined) throw new RangeError('findDiscs gives at least one folder');
  const path = join(folders[0] ?? '', 'signatures', file);
  return { folders, checksums: first.list, id: first.id, path, file };
}

/** Puts one signature on every disc. @returns where it lies, on the first */
export async function addSignature(bundle: SignableBundle, signature: Buffer): Promise<string> {
  for (const folder of bundle.folders) {
    await makeFolder(join(folder, 'signatures'));
    await writeAtomic(join(folder, 'signatures', bundle.file), signature);
    await syncFolder(folder);
  }
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
