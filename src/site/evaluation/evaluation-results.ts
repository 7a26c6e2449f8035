import { createHash } from 'node:crypto';
import { readSignedDocument } from '../../bundle/signed-document.ts';
import { StowageError } from '../../core/error.ts';
import { type EvaluationResult, evaluationResultKind } from '../../format/evaluation-result.ts';
import type { Generation } from '../../format/plan.ts';
import type { EvaluationRecord } from '../../format/receipt.ts';
import { namesIn } from '../../io/file.ts';
import type { SiteFolder } from '../site-folder.ts';

/** A result with a valid signature, and its signer. */
export interface CheckedResult {
  readonly result: EvaluationResult;
  readonly file: string;
  /** SHA-256 of the signer's certificate, 64 hex digits. */
  readonly fingerprint: string;
  /** SHA-256 of the file, 64 hex digits. */
  readonly sha256: string;
}

/** The folder of results, and of the answers of runs that are not complete. */
export function resultsFolder(site: SiteFolder): string {
  return site.path('evaluations');
}

/**
 * Reads a result and the signature beside it. Who signed it is not judged.
 * @throws StowageError `file-missing`, `document-invalid`, `signature-malformed`, `signature-invalid`
 */
export async function readResult(file: string): Promise<CheckedResult> {
  const { document, bytes, certificate } = await readSignedDocument(file, evaluationResultKind);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { result: document, file, fingerprint: certificate.fingerprint, sha256 };
}

/** The results of a site, oldest first; those that cannot be read are left out. */
export async function resultsOf(
  site: SiteFolder,
  release?: string,
  evaluation?: string,
): Promise<readonly CheckedResult[]> {
  const results: CheckedResult[] = [];
  for await (const each of newestFirst(site, release, evaluation)) results.push(each);
  return results.toReversed();
}

/** The same, newest first. A result may have megabytes: who needs only the newest reads no other. */
async function* newestFirst(
  site: SiteFolder,
  release?: string,
  evaluation?: string,
): AsyncGenerator<CheckedResult> {
  for (const name of (await resultFiles(site, release, evaluation)).toReversed()) {
    try {
      yield await readResult(`${resultsFolder(site)}/${name}`);
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
    }
  }
}

/** The newest result of the same evaluation with an earlier generation; undefined if there is none. */
export async function resultBefore(
  site: SiteFolder,
  about: { readonly release: string; readonly evaluation: string; readonly generation: number },
): Promise<EvaluationResult | undefined> {
  for await (const { result } of newestFirst(site, about.release, about.evaluation)) {
    const { generation, gate, missed } = result;
    if (generation < about.generation && !(gate && missed.length > 0)) return result;
  }
  return undefined;
}

/** The newest result of each evaluation of the installed releases, for receipts. */
export async function evaluationRecords(
  site: SiteFolder,
  { releases }: Pick<Generation, 'releases'>,
): Promise<readonly EvaluationRecord[]> {
  const records: EvaluationRecord[] = [];
  for (const { name, bundle } of releases) {
    const files = await resultFiles(site, name);
    const evaluations = new Set(files.map((file) => file.split('.').at(-2) ?? ''));
    for (const evaluation of evaluations)
      for await (const { result, sha256 } of newestFirst(site, name, evaluation)) {
        if (result.release.bundle !== bundle) continue;
        const { at, generation, summary, missed } = result;
        const { questions, passed, rate } = summary;
        records.push({
          ...{ release: name, evaluation, at, generation },
          ...{ questions, passed, rate, missed: missed.length, result: sha256 },
        });
        break;
      }
  }
  return records;
}

/** The files of results, oldest first, without their folder. */
export async function resultFiles(
  site: SiteFolder,
  release?: string,
  evaluation?: string,
): Promise<string[]> {
  const names = await namesIn(resultsFolder(site));
  return names
    .filter((name) => {
      const [, of, what] = /^[^.]*?Z-\d{3}-([^.]+)\.([^.]+)\.json$/.exec(name) ?? [];
      return (
        of !== undefined &&
        (release === undefined || of === release) &&
        (evaluation === undefined || what === evaluation)
      );
    })
    .toSorted();
}
