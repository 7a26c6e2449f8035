import { join } from 'node:path';
import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_NOTICE_BYTES, MIB } from '../../core/limits.ts';
import { counted } from '../../core/text.ts';
import { type Checksum, readChecksums } from '../../format/checksums.ts';
import { readCanonical } from '../../format/document.ts';
import { type Notice, noticeControl, noticeFiles, noticeKind } from '../../format/notice.ts';
import { exists } from '../../io/file.ts';
import { readListed, requireSum } from '../bundle-files.ts';

/** The list of a notice: 2000 files with their names are fewer bytes. */
const MAX_LIST_BYTES: number = MIB;

/** What the lists in the folder of a notice contain; no signature was checked. */
export interface ReadNotice {
  /** SHA-512 of `SHA512SUMS`, 128 hex digits. */
  readonly id: string;
  readonly notice: Notice;
  readonly checksums: readonly Checksum[];
  /** The bytes of `SHA512SUMS`: what is signed. */
  readonly list: Buffer;
}

/** Whether a folder claims to hold a notice. It decides nothing but which checks the folder must pass. */
export async function isNoticeFolder(folder: string): Promise<boolean> {
  return (
    (await exists(join(folder, 'notice.json'))) && !(await exists(join(folder, 'bundle.json')))
  );
}

/** The bytes of the list of a notice. @throws StowageError `bundle-absent`, `checksums-malformed` */
export function readNoticeList(folder: string): Promise<Buffer> {
  return readListed(folder, 'SHA512SUMS', MAX_LIST_BYTES, 'bundle-absent');
}

/**
 * Reads `notice.json` as its list says, and compares both.
 * @param list verified by the caller, or by nobody
 * @throws StowageError `checksums-malformed`, `part-missing`, `part-damaged`, `index-malformed`, `index-mismatch`, `format-newer`
 */
export async function readNoticeIndex(folder: string, list: Buffer): Promise<ReadNotice> {
  const checksums = readChecksums(list);
  const bytes = await readListed(folder, 'notice.json', noticeKind.maxBytes, 'part-missing');
  requireSum(checksums, 'notice.json', bytes);
  const notice = readCanonical(noticeKind, bytes);
  requireSameFiles(checksums, notice);
  return { id: sriHex(sriOf(list)), notice, checksums, list };
}

/** Reads the lists of a notice without its signatures. @throws StowageError as {@link readNoticeIndex} */
export async function readNotice(folder: string): Promise<ReadNotice> {
  return readNoticeIndex(folder, await readNoticeList(folder));
}

/**
 * Reads every file of a notice, each compared with the list.
 * @throws StowageError `part-missing`, `part-damaged`, `file-kind`, `io-failed`
 */
export async function readNoticeFiles(
  folder: string,
  { checksums, notice, list }: ReadNotice,
): Promise<ReadonlyMap<string, Buffer>> {
  const listed = noticeFiles(notice);
  const files = new Map([['SHA512SUMS', list]]);
  for (const { path } of checksums) {
    const bytes = await readListed(
      folder,
      path,
      listed.get(path)?.size ?? noticeKind.maxBytes,
      'part-missing',
    );
    requireSum(checksums, path, bytes);
    files.set(path, bytes);
  }
  return files;
}

/** The list and `notice.json` must name the same files, and not more than a site reads into memory. */
function requireSameFiles(checksums: readonly Checksum[], notice: Notice): void {
  const listed = new Map(checksums.map((each) => [each.path, each.sha512]));
  for (const path of noticeControl) if (!listed.delete(path)) throw disagree(path);
  let bytes = 0;
  for (const { path, size, sha512 } of noticeFiles(notice).values()) {
    if (listed.get(path) !== sha512) throw disagree(path);
    listed.delete(path);
    bytes += size;
  }
  for (const path of listed.keys()) throw disagree(path);
  if (bytes > MAX_NOTICE_BYTES)
    throw new StowageError('index-malformed', 'the notice is too large', {
      expected: `documents of at most ${MAX_NOTICE_BYTES} bytes in all`,
      found: counted(bytes, 'byte'),
      hint: 'ask the release engineer for several smaller notices',
    });
}

function disagree(path: string): StowageError {
  return new StowageError('index-mismatch', `SHA512SUMS and notice.json disagree about ${path}`, {
    expected: 'the same files with the same digests in both',
    found: path,
    hint: noticeKind.hint,
  });
}
