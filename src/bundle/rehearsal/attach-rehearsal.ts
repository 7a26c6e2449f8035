import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasSri, sriHex, sriOf } from '../../core/digest.ts';
import { StowageError, systemCode } from '../../core/error.ts';
import { KIB, MAX_CHECKSUMS_BYTES, MAX_INDEX_BYTES } from '../../core/limits.ts';
import { counted, exactBytes } from '../../core/text.ts';
import { type Bundle, bundleFiles, bundleKind, type ControlFile } from '../../format/bundle.ts';
import { readChecksums, writeChecksums } from '../../format/checksums.ts';
import { readCanonical, writeCanonical } from '../../format/document.ts';
import { type Rehearsal, rehearsalKind, rehearsalPaths } from '../../format/rehearsal.ts';
import { verifyText } from '../../format/verify-text.ts';
import {
  ioError,
  readIfThere,
  removeTemporaries,
  renameIntoPlace,
  writeAtomic,
} from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { readControlFiles } from '../bundle-files.ts';
import { findDiscs, onDiscs } from '../discs.ts';
import { mixed, type ReadIndex, readIndex } from '../read-index.ts';
import { readSignedDocument } from '../signed-document.ts';
import { throwWorst } from '../worst-fault.ts';
import { rehearsalInWords, requireSameContent } from './attached-rehearsal.ts';

/** A bundle with its rehearsal, not yet signed. */
export interface WithRehearsal {
  readonly folders: readonly string[];
  readonly bundle: Bundle;
  /** SHA-512 of the new `SHA512SUMS`. */
  readonly id: string;
  readonly rehearsal: Rehearsal;
}

export interface AttachOptions {
  /** Whether to put it in the place of one that is attached already. */
  readonly replace: boolean;
}

/** The list that is about to be put in place. What it lists is written first. */
const NEXT_LIST = '.SHA512SUMS.attach';
const VERIFY = 'VERIFY.txt';
/** What this may add to each disc of a bundle that was split: half of what a split leaves free for signatures. */
const MAX_ADDED_BYTES: number = 256 * KIB;

/**
 * Puts a rehearsal, and the signature beside it, among the attestations of a bundle, on every disc. The bundle gets another
 * `SHA512SUMS`, so it must not be signed yet. A killed call is completed by repeating it.
 * @param place the folder of the bundle, or one with its discs
 * @param file the rehearsal, `NAME.json`, with its signature `NAME.p7s`
 * @throws StowageError `bundle-signed`, `document-invalid`, `format-newer`, `signature-malformed`, `signature-invalid`, `file-missing`,
 * `rehearsal-failed`, `output-exists`, `disc-too-small`, `bundle-absent`, `bundle-mixed`, `part-damaged`; then nothing was changed
 */
export async function attachRehearsal(
  place: string,
  file: string,
  { replace }: AttachOptions,
): Promise<WithRehearsal> {
  const folders = await findDiscs([place]);
  for (const folder of folders) await requireUnsigned(folder);
  const { document: rehearsal, ...read } = await readSignedDocument(file, rehearsalKind);
  const added = new Map([
    [rehearsalPaths.document, read.bytes],
    [rehearsalPaths.signature, read.signature],
  ] as const);
  const found: ReadIndex[] = [];
  for (const folder of folders) found.push(await readUnsigned(folder, [...added.keys(), VERIFY]));
  const [first] = found;
  if (first === undefined) throw new RangeError('findDiscs gives at least one folder');
  requireSameContent(rehearsal, first.bundle);
  requirePassed(rehearsal);
  const next = withRehearsal(first.bundle, added);
  for (const [index, { bundle, id }] of found.entries()) {
    // A killed call may have been between two discs.
    if (id !== first.id && withRehearsal(bundle, added).id !== next.id)
      throw mixed(folders[index] ?? '', first.id, id);
    if (!replace) requireNone(bundle, added);
    if (onDiscs(folders)) requireRoom(bundle, next);
  }
  for (const folder of folders) await writeDisc(folder, next);
  const { bundle, id } = next;
  return { folders, bundle, id, rehearsal };
}

async function requireUnsigned(folder: string): Promise<void> {
  let names: readonly string[];
  try {
    names = await readdir(join(folder, 'signatures'));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return;
    throw ioError(error, folder);
  }
  if (names.length === 0) return;
  throw new StowageError('bundle-signed', `${folder} is signed already`, {
    expected: 'a bundle without signatures',
    found: names.slice(0, 5).join(', '),
    hint: 'a rehearsal changes what is signed: pack the bundle again, attach the rehearsal, then sign it',
  });
}

/**
 * The index of a bundle whose control files are as listed; those that are written here need not be. If an earlier call was killed
 * before its last step, that step is done first.
 */
async function readUnsigned(folder: string, written: readonly string[]): Promise<ReadIndex> {
  await completeEarlier(folder);
  const index = await readIndex(folder);
  const control = index.bundle.control
    .map(({ path }) => path)
    .filter((path) => !written.includes(path));
  const { faults } = await readControlFiles(folder, control, index.checksums);
  throwWorst([...faults.values()]);
  return index;
}

/** The list of a killed call counts if `bundle.json` is already the one that it lists. */
async function completeEarlier(folder: string): Promise<void> {
  const place = join(folder, NEXT_LIST);
  const list = await readIfThere(place, MAX_CHECKSUMS_BYTES);
  if (list === undefined) return;
  const listed = readChecksums(list).find(({ path }) => path === 'bundle.json');
  const index = await readIfThere(join(folder, 'bundle.json'), MAX_INDEX_BYTES);
  if (listed === undefined || index === undefined || !hasSri(index, listed.sha512)) return;
  await renameIntoPlace(place, join(folder, 'SHA512SUMS'));
}

/** @throws StowageError `rehearsal-failed` */
function requirePassed(rehearsal: Rehearsal): void {
  const { passed, failures } = rehearsal;
  if (passed && failures.length === 0) return;
  throw new StowageError('rehearsal-failed', 'a rehearsal that did not pass is not attached', {
    expected: 'a rehearsal that passed',
    found: failures[0] ?? rehearsalInWords(rehearsal),
    defects: failures.slice(0, 100),
    hint: 'fix what failed or list it in knownEgress with a reason, then lock, pack and rehearse again',
  });
}

/** @throws StowageError `output-exists` if another rehearsal is attached */
function requireNone({ control }: Bundle, added: ReadonlyMap<string, Buffer>): void {
  const other = control.find(({ path, sha512 }) => {
    const bytes = added.get(path);
    return bytes !== undefined && !hasSri(bytes, sha512);
  });
  if (other === undefined) return;
  throw new StowageError('output-exists', 'another rehearsal is attached already', {
    expected: 'a bundle without a rehearsal, or with this one',
    found: `${other.path} with other bytes`,
    hint: 'to put this one in its place, add --replace',
  });
}

interface Next {
  readonly bundle: Bundle;
  readonly id: string;
  /** What is written, in this order. The list is last. */
  readonly files: ReadonlyMap<string, Buffer>;
}

/** The bundle with these attestations, whether it has some already or not. */
function withRehearsal(bundle: Bundle, added: ReadonlyMap<string, Buffer>): Next {
  const control = new Map<string, Buffer>([
    // Until all is done, a signature is refused because of it.
    [VERIFY, Buffer.from(verifyText(bundle, { rehearsal: true }), 'ascii')],
    ...added,
  ]);
  const kept = bundle.control.filter(({ path }) => !control.has(path));
  const entries = [...control].map(
    ([path, bytes]): ControlFile => ({ path, size: bytes.length, sha512: sriOf(bytes) }),
  );
  const next: Bundle = { ...bundle, control: [...kept, ...entries] };
  const index = writeCanonical(bundleKind, next);
  const list = writeChecksums([
    ...bundleFiles(next),
    { path: 'bundle.json', sha512: sriOf(index) },
  ]);
  return {
    bundle: readCanonical(bundleKind, index),
    id: sriHex(sriOf(list)),
    files: new Map([...control, ['bundle.json', index], ['SHA512SUMS', list]]),
  };
}

/** @throws StowageError `disc-too-small` */
function requireRoom(before: Bundle, { bundle }: Next): void {
  const sizeOf = ({ control }: Bundle): number => control.reduce((sum, { size }) => sum + size, 0);
  const more = sizeOf(bundle) - sizeOf(before);
  if (more <= MAX_ADDED_BYTES) return;
  throw new StowageError('disc-too-small', 'the rehearsal is too large for discs that are full', {
    expected: `at most ${exactBytes(MAX_ADDED_BYTES)} more on each disc`,
    found: counted(more, 'byte'),
    hint: 'pack without --disc-size, attach the rehearsal, then split the bundle with stowage split',
  });
}

async function writeDisc(folder: string, { files }: Next): Promise<void> {
  const list = files.get('SHA512SUMS') ?? Buffer.alloc(0);
  await writeAtomic(join(folder, NEXT_LIST), list);
  for (const path of files.keys()) {
    await makeFolder(join(folder, dirname(path)));
    await removeTemporaries(join(folder, dirname(path)));
  }
  for (const [path, bytes] of files) {
    if (path === 'SHA512SUMS') continue;
    await writeAtomic(join(folder, path), bytes);
  }
  await renameIntoPlace(join(folder, NEXT_LIST), join(folder, 'SHA512SUMS'));
}
