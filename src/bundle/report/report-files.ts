import { realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError, systemCode } from '../../core/error.ts';
import { printableJson } from '../../core/text.ts';
import { writeJson } from '../../format/document.ts';
import { type Report, reportKind } from '../../format/report.ts';
import { exists, remove, writeAtomic } from '../../io/file.ts';
import { requireParent } from '../../io/folder.ts';
import { type Signer, signDetached } from '../../trust/cms-sign.ts';
import { reportHtml } from './report-page.ts';

/** Where a report is written, and in which formats. */
export interface ReportFiles {
  /** Absolute paths that end in `.json` or `.html`. */
  readonly paths: readonly string[];
  /** Signs the JSON report; the signature goes to `FILE.json.p7s`. */
  readonly signer?: Signer;
}

/**
 * Checks before any work starts that the reports can be written, so that hours of hashing are not lost.
 * @param folders that are verified: a report in one of them would be an unsigned file
 * @throws StowageError `output-exists`, `file-missing`, `io-failed`, `usage-invalid`
 */
export async function requireRoom(files: ReportFiles, folders: readonly string[]): Promise<void> {
  const inside = await Promise.all(folders.map(resolved));
  for (const path of everyPath(files)) {
    await requireParent(path);
    const place = join(await realpath(dirname(path)), basename(path));
    if (inside.some((each) => place.startsWith(`${each}${sep}`))) {
      throw new StowageError(
        'usage-invalid',
        'a report cannot be written into the bundle that it describes',
        {
          expected: 'a path outside the bundle',
          found: path,
          hint: 'choose another folder: a bundle with an unsigned file is rejected',
        },
      );
    }
    await requireFree(path);
  }
}

/**
 * Writes a report in all formats. All are created in memory first; if one cannot be written, none is left on disk.
 * @returns the paths, including that of the signature
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

/**
 * A report as JSON, to be filed and signed. Characters that a terminal hides or obeys (text direction, invisible ones)
 * are escaped: the values are the same, and `cat` shows them.
 */
export function reportJson(report: Report): Buffer {
  return Buffer.from(printableJson(writeJson(reportKind, report).toString('utf8')));
}

function everyPath({ paths, signer }: ReportFiles): string[] {
  return paths.flatMap((path) =>
    signer !== undefined && path.endsWith('.json') ? [path, `${path}.p7s`] : [path],
  );
}

async function requireFree(path: string): Promise<void> {
  if (!(await exists(path))) return;
  throw new StowageError('output-exists', `${path} exists already`, {
    expected: 'an unused file name',
    found: 'a file',
    hint: 'choose another name: an existing report is never overwritten',
  });
}

/** The real path of a folder. One that is missing is left to the verification to report. */
async function resolved(folder: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return folder;
  }
}
