import { writeCanonical } from '../../format/document.ts';
import { type EvaluationResult, evaluationResultKind } from '../../format/evaluation-result.ts';
import { remove, writeAtomic } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { signDetached } from '../../trust/cms-sign.ts';
import { siteSigner } from '../receipts/site-key.ts';
import type { SiteFolder } from '../site-folder.ts';
import { resultFiles, resultsFolder } from './evaluation-results.ts';

/** How many results a site keeps of each evaluation of a release; older ones are removed. */
const KEPT_RESULTS = 20;

/** Writes and signs a result: `evaluations/<moment>-<release>-<evaluation>.json` and `.p7s` beside it. @returns its file */
export async function writeResult(
  site: SiteFolder,
  result: EvaluationResult,
  now: Date,
): Promise<string> {
  const bytes = writeCanonical(evaluationResultKind, result);
  const signature = signDetached(bytes, await siteSigner(site, result.site, now), now);
  const milliseconds = String(now.getMilliseconds()).padStart(3, '0');
  const moment = `${result.at.replaceAll(':', '')}-${milliseconds}`;
  const folder = resultsFolder(site);
  await makeFolder(folder, 0o700);
  const stem = `${moment}-${result.release.name}.${result.evaluation}`;
  // The signature first: a result is complete when it can be seen.
  await writeAtomic(`${folder}/${stem}.p7s`, signature, 0o600);
  await writeAtomic(`${folder}/${stem}.json`, bytes, 0o600);
  const older = (await resultFiles(site, result.release.name, result.evaluation)).slice(
    0,
    -KEPT_RESULTS,
  );
  for (const name of older)
    for (const end of ['.json', '.p7s']) await remove(`${folder}/${name.replace(/\.json$/, end)}`);
  return `${folder}/${stem}.json`;
}
