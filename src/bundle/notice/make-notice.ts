import { dirname, join } from 'node:path';
import { type Sri, sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { writeChecksums } from '../../format/checksums.ts';
import { writeCanonical } from '../../format/document.ts';
import {
  type Notice,
  type NoticeContent,
  type NoticeDocument,
  type NoticeFile,
  noticeKind,
  noticeName,
} from '../../format/notice.ts';
import { noticeVerifyText } from '../../format/verify-text.ts';
import { exists, remove, renameIntoPlace, syncFolder, writeNew } from '../../io/file.ts';
import { makeFolder, makeNewFolder, withParents } from '../../io/folder.ts';
import type { SignatureFile } from '../../trust/signature-file.ts';
import type { TrustLink } from '../../trust/trust-chain.ts';
import { trustFileName } from '../admission/trust-files.ts';

/** A document for a notice, with its own signatures. */
export interface NoticeInput {
  readonly content: Exclude<NoticeContent, 'trust'>;
  readonly bytes: Buffer;
  /** Each named `FILE.NAME.p7s`, or `NAME.p7s`. */
  readonly signatures: readonly SignatureFile[];
}

export interface NewNotice extends Pick<Notice, 'issuer' | 'serial' | 'createdAt' | 'sites'> {
  readonly documents: readonly NoticeInput[];
  /** Trust documents with their signatures. */
  readonly chain: readonly TrustLink[];
}

/** A notice that nobody has signed yet. */
export interface MadeNotice {
  readonly notice: Notice;
  /** SHA-512 of `SHA512SUMS`, 128 hex digits. */
  readonly id: string;
  /** Every file with its bytes; the same for the same input. */
  readonly files: ReadonlyMap<string, Buffer>;
}

/** Makes the files of a notice. @throws StowageError `index-malformed` */
export function makeNotice({ documents, chain, sites, ...head }: NewNotice): MadeNotice {
  const files = new Map<string, Buffer>();
  const fileOf = (path: string, bytes: Buffer): NoticeFile => {
    files.set(path, bytes);
    return { path, size: bytes.length, sha512: sriOf(bytes) };
  };
  const numbers = new Map<string, number>();
  const listed: NoticeDocument[] = documents.map(({ content, bytes, signatures }) => {
    const number = (numbers.get(content) ?? 0) + 1;
    numbers.set(content, number);
    const path = `documents/${content}-${number}.json`;
    const beside = signatures.map((each) =>
      fileOf(`${path}.${signerOf(each.name)}.p7s`, each.bytes),
    );
    return { content, ...fileOf(path, bytes), signatures: beside.toSorted(byPath) };
  });
  for (const { version, bytes, signatures } of chain) {
    const path = `trust/${trustFileName(version)}`;
    const beside = signatures.map((each) => fileOf(`trust/${each.name}`, each.bytes));
    listed.push({ content: 'trust', ...fileOf(path, bytes), signatures: beside.toSorted(byPath) });
  }
  const notice: Notice = {
    schema: 'stowage/notice/v1',
    ...head,
    ...(sites === undefined ? {} : { sites: [...new Set(sites)].toSorted() }),
    documents: listed.toSorted(byPath),
  };
  fileOf('notice.json', writeCanonical(noticeKind, notice));
  fileOf('VERIFY.txt', Buffer.from(noticeVerifyText(noticeName(notice)), 'ascii'));
  const sums = [...files].map(([path, bytes]): { path: string; sha512: Sri } => ({
    path,
    sha512: sriOf(bytes),
  }));
  const list = writeChecksums(sums);
  files.set('SHA512SUMS', list);
  return { notice, id: sriHex(sriOf(list)), files };
}

/**
 * Writes files to a new folder, which appears whole or not at all.
 * @throws StowageError `output-exists`, `io-failed`
 */
export async function writeNoticeFolder(
  folder: string,
  files: ReadonlyMap<string, Buffer>,
): Promise<void> {
  if (await exists(folder))
    throw new StowageError('output-exists', `${folder} exists already`, {
      expected: 'a path where nothing exists',
      found: 'a file or folder',
      hint: 'choose another path, or remove what is there',
    });
  const partial = `${folder}.partial`;
  await remove(partial);
  await withParents(folder, async () => {
    try {
      await makeNewFolder(partial);
      await writeFiles(partial, files);
      await renameIntoPlace(partial, folder);
    } catch (error) {
      await remove(partial);
      throw error;
    }
  });
}

/** Writes files into a folder, and syncs them. */
export async function writeFiles(
  folder: string,
  files: ReadonlyMap<string, Buffer>,
): Promise<void> {
  const folders = new Set([...files.keys()].map((path) => dirname(join(folder, path))));
  for (const each of folders) await makeFolder(each);
  for (const [path, bytes] of files) await writeNew(join(folder, path), bytes);
  for (const each of [...folders, folder]) await syncFolder(each);
}

/** The name of a signer in the name of a signature: what stands before `.p7s`, after the document that it signs. */
function signerOf(name: string): string {
  const stem = name.replace(/\.p7s$/, '');
  const signer = stem.replace(/^.*\.json\./, '').replace(/[^A-Za-z0-9._-]/g, '-');
  return /^[A-Za-z0-9]/.test(signer) ? signer : `signer${signer}`;
}

function byPath(a: NoticeFile, b: NoticeFile): number {
  return a.path < b.path ? -1 : 1;
}
