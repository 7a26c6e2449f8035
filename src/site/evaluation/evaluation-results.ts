import { createHash } from 'node:crypto';
import { readSignature } from '../../bundle/bundle-files.ts';
import { StowageError } from '../../core/error.ts';
import { readCanonical } from '../../format/document.ts';
import { type EvaluationResult, evaluationResultKind } from '../../format/evaluation-result.ts';
import type { Generation } from '../../format/plan.ts';
import type { EvaluationRecord } from '../../format/receipt.ts';
import { namesIn, readBounded } from '../../io/file.ts';
import { allAlgorithms } from '../../trust/algorithm.ts';
import { verifyDetached } from '../../trust/cms-verify.ts';
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
  const bytes = await readBounded(file, evaluationResultKind.maxBytes);
  const signature = await readSignature(file.replace(/\.json$/, '.p7s'));
  const { certificate } = verifyDetached(signature, bytes, new Set(allAlgorithms));
  const result = readCanonical(evaluationResultKind, bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { result, file, fingerprint: certificate.fingerprint, sha256 };
}

/** The results of a site, oldest first; those that cannot be read are left out. */
export async function resultsOf(
  site: SiteFolder,
  release?: string,
  evaluation?: string,
): Promise<readonly CheckedResult[]> {
  const results: CheckedResult[] = [];
  for (const name of await resultFiles(site, release, evaluation)) {
    try {
      results.push(await readResult(`${resultsFolder(site)}/${name}`));
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
    }
  }
  return results;
}

/** The newest result of the same evaluation with an earlier generation; undefined if there is none. */
export async function resultBefore(
  site: SiteFolder,
  about: { readonly release: string; readonly evaluation: string; readonly generation: number },
): Promise<EvaluationResult | undefined> {
  const earlier = (await resultsOf(site, about.release, about.evaluation)).filter(
    ({ result: { generation, gate, missed } }) =>
      generation < about.generation && !(gate && missed.length > 0),
  );
  return earlier.at(-1)?.result;
}

/** The newest result of each evaluation of the installed releases, for receipts. */
export async function evaluationRecords(
  site: SiteFolder,
  { releases }: Pick<Generation, 'releases'>,
): Promise<readonly EvaluationRecord[]> {
  const newest = new Map<string, EvaluationRecord>();
  for (const { result, sha256 } of await resultsOf(site)) {
    const { release, evaluation, at, generation, summary, missed } = result;
    const runs = releases.some(
      ({ name, bundle }) => name === release.name && bundle === release.bundle,
    );
    if (!runs) continue;
    const { questions, passed, rate } = summary;
    newest.set(`${release.name}.${evaluation}`, {
      ...{ release: release.name, evaluation, at, generation },
      ...{ questions, passed, rate, missed: missed.length, result: sha256 },
    });
  }
  return [...newest.values()];
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
