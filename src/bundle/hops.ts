import { basename, dirname, join } from 'node:path';
import { sriHex, sriOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { type Hop, hopKind } from '../format/hop.ts';
import { parseDiscName } from '../format/part.ts';
import { namesIn, writeAtomic } from '../io/file.ts';
import { makeFolder } from '../io/folder.ts';
import { readSignedDocument } from './signed-document.ts';

/** More hops of one bundle are not read. */
const MAX_HOPS = 100;
const NAME = /^[0-9]{4}\.json$/;

/** A statement of a hop with a valid signature. Who signed it is not judged. */
export interface CheckedHop {
  readonly hop: Hop;
  /** SHA-256 of the certificate of the site, 64 lower-case hex digits. */
  readonly fingerprint: string;
  readonly subject: string;
  readonly bytes: Buffer;
  readonly signature: Buffer;
}

/** The statements beside a bundle, and why others do not count. */
export interface Hops {
  /** In order. */
  readonly hops: readonly CheckedHop[];
  /** Why the first that does not count, and all after it, do not. */
  readonly fault?: StowageError;
}

/** The folder of the statements beside the folder of a bundle, or of all of its discs. `SHA512SUMS` does not cover it. */
export function hopsBeside(folder: string): string {
  const place = folder.replace(/\/+$/, '');
  return `${parseDiscName(basename(place)) === undefined ? place : dirname(place)}.hops`;
}

/**
 * Reads the statements of a bundle. They decide nothing: each is a claim of the site that signed it.
 * @param id the bundle that they must be about
 * @throws StowageError `io-failed`
 */
export async function readHops(folder: string, id: string): Promise<Hops> {
  const hops: CheckedHop[] = [];
  const names = (await namesIn(folder)).filter((each) => NAME.test(each)).slice(0, MAX_HOPS);
  try {
    for (const name of names) hops.push(await readHop(join(folder, name), id, hops.at(-1)));
  } catch (error) {
    if (!(error instanceof StowageError) || error.code === 'io-failed') throw error;
    return { hops, fault: error };
  }
  return { hops };
}

async function readHop(
  file: string,
  id: string,
  before: CheckedHop | undefined,
): Promise<CheckedHop> {
  const { document: hop, bytes, signature, certificate } = await readSignedDocument(file, hopKind);
  if (hop.bundle.id !== id) throw foreign(file, id, hop.bundle.id);
  const previous = before && sumOf(before);
  if (hop.previous !== previous) throw foreign(file, previous ?? 'no hop before', hop.previous);
  const { fingerprint, subject } = certificate;
  return { hop, fingerprint, subject, bytes, signature };
}

/** SHA-512 of a statement, in hex, as the next one names it. */
export function sumOf({ bytes }: Pick<CheckedHop, 'bytes'>): string {
  return sriHex(sriOf(bytes));
}

/** Writes statements into a folder, numbered in order. @throws StowageError `io-failed` */
export async function writeHops(
  folder: string,
  hops: readonly Pick<CheckedHop, 'bytes' | 'signature'>[],
): Promise<void> {
  if (hops.length === 0) return;
  await makeFolder(folder);
  for (const [index, { bytes, signature }] of hops.entries()) {
    const stem = join(folder, String(index + 1).padStart(4, '0'));
    await writeAtomic(`${stem}.p7s`, signature);
    await writeAtomic(`${stem}.json`, bytes);
  }
}

function foreign(file: string, expected: string, found = 'no hop before'): StowageError {
  return new StowageError('document-invalid', `${file} does not belong to this bundle`, {
    expected,
    found,
    hint: 'copy the folder with the statements again, together with the bundle beside it',
  });
}
