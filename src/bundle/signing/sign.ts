import { join } from 'node:path';
import { StowageError } from '../../core/error.ts';
import { MAX_SIGNATURES } from '../../core/limits.ts';
import { counted } from '../../core/text.ts';
import type { Trust } from '../../format/trust.ts';
import { exists, syncFolder, writeAtomic } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { type Signer, signDetached } from '../../trust/cms-sign.ts';
import { requireCounted, requireUsable } from '../../trust/policy.ts';
import type { SignatureFile } from '../../trust/signature-file.ts';
import { readControlFiles, readSignatures } from '../bundle-files.ts';
import { findDiscs } from '../discs.ts';
import { isNoticeFolder, readNotice, readNoticeFiles } from '../notice/read-notice.ts';
import { mixed, type ReadIndex, readIndex } from '../read-index.ts';
import { throwWorst } from '../worst-fault.ts';
import { nameInUse } from './name-in-use.ts';

/** A bundle, all discs of one, or a notice, to which a signature can be added. */
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
  /** The signatures that it has already. */
  readonly signatures: readonly SignatureFile[];
}

/**
 * Adds a signature over a bundle's `SHA512SUMS`, on every disc of a folder of discs; no other file is changed.
 * @param name of the file under `signatures/`, without `.p7s`
 * @returns the path of the signature, on the first disc
 * @throws StowageError `output-exists`, `bundle-absent`, `checksums-malformed`, `part-damaged`, `part-missing`, `bundle-mixed`
 */
export async function signBundle(
  folder: string,
  name: string,
  signer: Signer,
  now: Date,
): Promise<string> {
  const bundle = await openForSigning(folder, name);
  return addSignature(bundle, signDetached(bundle.checksums, signer, now), { now });
}

/**
 * Checks that this is a bundle or a notice whose control files are as listed, and that the signature's name is unused, before the user has to enter a passphrase or
 * touch a token.
 * @throws StowageError as {@link signBundle}
 */
export async function openForSigning(place: string, name: string): Promise<SignableBundle> {
  const folders = await findDiscs([place]);
  const file = `${name}.p7s`;
  let first: Listed | undefined;
  const present = new Map<string, SignatureFile>();
  for (const folder of folders) {
    const index = await readListed(folder);
    first ??= index;
    if (index.id !== first.id) throw mixed(folder, first.id, index.id);
    const path = join(folder, 'signatures', file);
    if (await exists(path)) throw await nameInUse(path, index.list);
    for (const each of await readSignatures(folder)) present.set(each.name, each);
  }
  if (first === undefined) throw new RangeError('findDiscs gives at least one folder');
  if (present.size >= MAX_SIGNATURES)
    throw new StowageError('signature-malformed', 'the bundle cannot have another signature', {
      expected: `at most ${MAX_SIGNATURES}`,
      found: `${counted(present.size, 'signature')} already`,
      hint: 'remove signatures that are not needed',
    });
  const path = join(folders[0] ?? '', 'signatures', file);
  const signatures = [...present.values()];
  return { folders, checksums: first.list, id: first.id, path, file, signatures };
}

type Listed = Pick<ReadIndex, 'id' | 'list'>;

/** The list of a bundle whose control files are as listed, or of a notice whose files are. */
async function readListed(folder: string): Promise<Listed> {
  if (await isNoticeFolder(folder)) {
    const read = await readNotice(folder);
    await readNoticeFiles(folder, read);
    return read;
  }
  const index = await readIndex(folder);
  const control = index.bundle.control.map(({ path }) => path);
  const { faults } = await readControlFiles(folder, control, index.checksums);
  throwWorst([...faults.values()]);
  return index;
}

/** What a new signature is checked against before it is written. */
export interface Acceptance {
  readonly now: Date;
  /** The trust document that must count the signature, and for which role. */
  readonly by?: { readonly trust: Trust; readonly role: 'release' | 'approval' };
}

/**
 * Writes one signature to every disc, if it would be accepted.
 * @returns its path on the first
 * @throws StowageError as verification would, before anything is written
 */
export async function addSignature(
  bundle: SignableBundle,
  signature: Buffer,
  { now, by }: Acceptance,
): Promise<string> {
  const { checksums: content, signatures } = bundle;
  const added = { name: bundle.file, bytes: signature };
  requireUsable(added, content, now);
  if (by !== undefined) requireCounted(added, { content, signatures }, { ...by, now });
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
