import { createHash } from 'node:crypto';
import type { Digest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_QUESTIONS_BYTES } from '../../core/limits.ts';
import type { Evaluation } from '../../format/evaluation.ts';
import type { DeployedRelease } from '../../format/plan.ts';
import { type NumberedQuestion, readQuestions } from '../../format/question.ts';
import { readNamed } from '../../io/file.ts';
import { bundleAsDeployed } from '../release/chosen-parts.ts';
import { loadRelease } from '../release/release.ts';
import type { SiteFolder } from '../site-folder.ts';

/** An evaluation, and where its questions are. */
export interface Suite {
  readonly evaluation: Evaluation;
  /** The questions in the store; absent if the evaluation names a file of this host. */
  readonly stored?: Digest;
}

/** The questions of an evaluation as they were read. */
export interface QuestionFile {
  readonly questions: readonly NumberedQuestion[];
  /** SHA-256 of the file, 64 hex digits. */
  readonly sha256: string;
}

/**
 * The evaluations of a release: those of its bundle, then those that the site adds.
 * @throws StowageError `site-invalid` for one of the site with the name of one of the bundle
 */
export async function suitesOf(
  site: SiteFolder,
  release: Pick<DeployedRelease, 'name' | 'bundle' | 'with'>,
): Promise<readonly Suite[]> {
  const { bundle } = await loadRelease(site, release.bundle);
  const signed = bundleAsDeployed(release, bundle).evaluations ?? [];
  const added = (await site.site()).evaluations?.[release.name] ?? [];
  const names = new Set<string>();
  for (const { name } of [...signed, ...added]) {
    if (names.has(name))
      throw new StowageError(
        'site-invalid',
        `two evaluations of ${release.name} are named ${name}`,
        {
          expected: 'a name that no evaluation of the bundle has',
          found: name,
          hint: `rename it in site.yaml: evaluations.${release.name}`,
        },
      );
    names.add(name);
  }
  return [
    ...signed.map((evaluation) => {
      const item = bundle.files.find(({ name }) => name === evaluation.questions);
      if (item === undefined)
        throw new Error(`${evaluation.questions} passed the schema but is not in the bundle`);
      return { evaluation, stored: item.digest };
    }),
    ...added.map((evaluation) => ({ evaluation })),
  ];
}

/**
 * The questions of an evaluation: from the store, hashed again, or a file of this host.
 * @throws StowageError `blob-damaged`, `file-missing`, `document-invalid`
 */
export async function questionsOf(
  site: SiteFolder,
  { evaluation, stored }: Suite,
): Promise<QuestionFile> {
  const bytes =
    stored === undefined
      ? await readNamed(evaluation.questions, MAX_QUESTIONS_BYTES)
      : await site.store.read(stored, MAX_QUESTIONS_BYTES);
  return {
    questions: readQuestions(bytes, evaluation.questions, evaluation),
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
}
