import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasSri, type Sri, sriHex, sriOf } from '../core/digest.ts';
import { type ErrorCode, StowageError, systemCode } from '../core/error.ts';
import { MAX_CONTROL_FILE_BYTES, MAX_SIGNATURE_BYTES, MAX_SIGNATURES } from '../core/limits.ts';
import type { Checksum } from '../format/checksums.ts';
import { ioError, readBounded } from '../io/file.ts';
import type { SignatureFile } from '../trust/signature-file.ts';
import { changedNameOf } from './changed-name.ts';
import { type ControlFile, controlFile } from './control-file.ts';

/** The code for a file that is larger than any that is valid; that of a damaged one for a file with a known digest. */
const tooLarge: Readonly<Record<string, ErrorCode>> = {
  SHA512SUMS: 'checksums-malformed',
  'bundle.json': 'index-malformed',
  'notice.json': 'index-malformed',
};

/**
 * Reads a small file of a bundle.
 * @throws StowageError with `code` when it is missing; `part-missing` when it is there under a changed name; `file-kind`; `checksums-malformed`, `index-malformed` or
 * `part-damaged` when it is too large
 */
export async function readListed(
  folder: string,
  path: string,
  maxBytes: number,
  code: 'bundle-absent' | 'part-missing',
): Promise<Buffer> {
  try {
    const excess = Object.hasOwn(tooLarge, path) ? tooLarge[path] : undefined;
    return await readBounded(join(folder, path), maxBytes, excess ?? 'part-damaged');
  } catch (error) {
    if (!(error instanceof StowageError) || error.code !== 'file-missing') throw error;
    const changed = await changedNameOf(folder, path);
    if (changed !== undefined) throw changed;
    if (!(await isFolder(folder))) throw noFolder(folder, error);
    throw new StowageError(code, `${path} is missing from ${folder}`, {
      expected: path,
      found: 'nothing',
      hint:
        code === 'bundle-absent'
          ? 'give the folder that holds SHA512SUMS and bundle.json'
          : 'the copy is incomplete: copy the bundle again from a complete copy',
      cause: error,
    });
  }
}

/** @param cause that a file in it is missing */
function noFolder(folder: string, cause: StowageError): StowageError {
  return new StowageError('bundle-absent', `there is no folder ${folder}`, {
    expected: 'the folder of a bundle',
    ...(systemCode(cause.cause) === 'ENOTDIR'
      ? { found: 'a file', hint: hintForFile(folder) }
      : {
          found: 'nothing',
          hint: 'check the spelling of the path, the folder in which you run the command, and that the medium is mounted',
        }),
    cause,
  });
}

function hintForFile(path: string): string {
  return path.endsWith('.tar')
    ? `import a stream with "stowage import - < ${path}"; other commands need the folder to which "tar -xf" extracts it`
    : `give the folder of the bundle, not a file in it; a recorded stream is imported with "stowage import - < ${path}"`;
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** Reads a signature file. @throws StowageError `file-missing`, `file-kind`, `signature-malformed` when it is too large */
export function readSignature(path: string): Promise<Buffer> {
  return readBounded(path, MAX_SIGNATURE_BYTES, 'signature-malformed');
}

/** Every signature of a bundle; none without a signatures folder. */
export async function readSignatures(folder: string): Promise<SignatureFile[]> {
  const place = join(folder, 'signatures');
  let names: string[];
  try {
    names = (await readdir(place)).toSorted();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      const changed = await changedNameOf(folder, 'signatures');
      if (changed !== undefined) throw changed;
      return [];
    }
    if (systemCode(error) === 'ENOTDIR') throw unexpected('signatures');
    throw ioError(error, place);
  }
  if (names.length > MAX_SIGNATURES) {
    throw new StowageError('signature-malformed', 'the bundle has too many signatures', {
      expected: `at most ${MAX_SIGNATURES}`,
      found: `${names.length}`,
      hint: 'do not use this bundle; ask the release engineer for another copy',
    });
  }
  const signatures: SignatureFile[] = [];
  for (const name of names) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*\.p7s$/.test(name)) throw unexpected(`signatures/${name}`);
    signatures.push({ name, bytes: await readSignature(join(place, name)) });
  }
  return signatures;
}

/** @throws StowageError `index-mismatch`, `part-damaged` unless the bytes match the list */
export function requireSum(checksums: readonly Checksum[], path: string, bytes: Buffer): void {
  sumOf(checksums, path, bytes);
}

/** The listed sum of these bytes. @throws StowageError as {@link requireSum} */
export function sumOf(checksums: readonly Checksum[], path: string, bytes: Buffer): Sri {
  const listed = checksums.find((each) => each.path === path);
  if (listed === undefined) {
    throw new StowageError('index-mismatch', `${path} is not listed in SHA512SUMS`, {
      expected: `a line for ${path}`,
      found: 'none',
      hint: 'do not use this bundle; ask the release engineer for another copy',
    });
  }
  if (hasSri(bytes, listed.sha512)) return listed.sha512;
  throw new StowageError('part-damaged', `${path} is not what was signed`, {
    expected: sriHex(listed.sha512),
    found: sriHex(sriOf(bytes)),
    hint: 'copy the bundle again from a complete copy; if the error persists, the file was changed after signing',
  });
}

/** Control files of a folder: those that are as listed, and what is wrong with each other one. */
export interface ControlFiles {
  readonly files: ReadonlyMap<string, ControlFile>;
  readonly faults: ReadonlyMap<string, StowageError>;
}

/** @throws StowageError `io-failed` */
export async function readControlFiles(
  folder: string,
  paths: readonly string[],
  checksums: readonly Checksum[],
): Promise<ControlFiles> {
  const files = new Map<string, ControlFile>();
  const faults = new Map<string, StowageError>();
  for (const path of paths) {
    try {
      const bytes = await readListed(folder, path, MAX_CONTROL_FILE_BYTES, 'part-missing');
      files.set(path, controlFile({ folder, path, sha512: sumOf(checksums, path, bytes) }, bytes));
    } catch (error) {
      if (!(error instanceof StowageError) || error.code === 'io-failed') throw error;
      faults.set(path, error);
    }
  }
  return { files, faults };
}

/**
 * The error for a file that is not on the list.
 * @param absent listed files of the same folder that are missing: it may be one of them
 */
export function unexpected(path: string, absent: readonly string[] = []): StowageError {
  return new StowageError(
    'file-unexpected',
    `${JSON.stringify(path)} does not belong to the bundle`,
    {
      expected: 'the files listed in SHA512SUMS and signatures/*.p7s',
      found: JSON.stringify(path),
      hint:
        absent.length === 0
          ? 'find out how the file got there, then remove it or copy the bundle to an empty folder'
          : `do not remove it yet: ${absent.length === 1 ? absent[0] : `${absent.length} listed files of the same folder`} may be missing because of a changed name; copy the bundle again from a complete copy to an empty folder`,
    },
  );
}
