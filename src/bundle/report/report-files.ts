import { constants } from 'node:fs';
import { access, realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError, systemCode } from '../../core/error.ts';
import type { Report } from '../../format/report.ts';
import { exists, ioError, remove, writeAtomic } from '../../io/file.ts';
import { type Signer, signDetached } from '../../trust/cms-sign.ts';
import { reportHtml } from './html.ts';
import { reportJson } from './json.ts';

/** Where a report is to lie, in which forms. */
export interface ReportFiles {
  /** Absolute paths that end in `.json` or `.html`. */
  readonly paths: readonly string[];
  /** Signs the JSON form, into a file of its own beside it. */
  readonly signer?: Signer;
}

/**
 * Asked before any work begins, so that hours of hashing do not end at a place that cannot be written.
 * @param folders what is verified: a report in one of them would be a file that nobody signed
 * @throws StowageError `output-exists`, `file-missing`, `io-failed`, `usage-invalid`
 */
export async function requireRoom(files: ReportFiles, folders: readonly string[]): Promise<void> {
  const inside = await Promise.all(folders.map(resolved));
  for (const path of everyPath(files)) {
    const folder = dirname(path);
    try {
      await access(folder, constants.W_OK);
    } catch (error) {
      throw ioError(error, folder);
    }
    const place = join(await realpath(folder), basename(path));
    if (inside.some((each) => place.startsWith(`${each}${sep}`))) {
      throw new StowageError(
        'usage-invalid',
        'a report cannot lie in the bundle that it is about',
        {
          expected: 'a path outside of the bundle',
          found: path,
          hint: 'name another folder: a file that nobody signed makes a bundle refused',
        },
      );
    }
    await requireFree(path);
  }
}

/**
 * Writes a report in every form, none of them before all could be made; when one cannot be written, none is left.
 * @returns the paths, the signature's among them
 * @throws StowageError `output-exists`, `space-insufficient`, `io-failed`
 */
export async function writeReport(
  report: Report,
  { paths, signer }: ReportFiles,
  now: Date,
): Promise<string[]> {
  const json = reportJson(report);
  const withJson = paths.some((path) => path.endsWith('.json'));
  const page = reportHtml(report, withJson ? sriHex(sriOf(json)) : undefined);
  const signature = signer && signDetached(json, signer, now);
  const outputs = paths.flatMap((path): [string, Buffer][] => {
    if (!path.endsWith('.json')) return [[path, page]];
    return [[path, json], ...(signature ? [[`${path}.p7s`, signature] as [string, Buffer]] : [])];
  });
  const written: string[] = [];
  try {
    for (const [path, bytes] of outputs) {
      await requireFree(path);
      await writeAtomic(path, bytes);
      written.push(path);
    }
  } catch (error) {
    for (const path of written) await remove(path);
    throw error;
  }
  return written;
}

function everyPath({ paths, signer }: ReportFiles): string[] {
  return paths.flatMap((path) =>
    signer !== undefined && path.endsWith('.json') ? [path, `${path}.p7s`] : [path],
  );
}

async function requireFree(path: string): Promise<void> {
  if (!(await exists(path))) return;
  throw new StowageError('output-exists', `${path} exists already`, {
    expected: 'a name that is free',
    found: 'a file',
    hint: 'choose another name: a report is never written over another',
  });
}

/** A folder that is not there holds no report; the verification says what is wrong with it. */
async function resolved(folder: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return folder;
  }
}
