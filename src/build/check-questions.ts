import { StowageError } from '../core/error.ts';
import { MAX_QUESTIONS_BYTES } from '../core/limits.ts';
import type { LockedFile } from '../format/locked-content.ts';
import type { Manifest } from '../format/manifest.ts';
import { readQuestions } from '../format/question.ts';
import type { BlobStore } from '../io/blob-store.ts';

/**
 * Reads the questions of every evaluation as a site will, so that a mistake is found before the gap.
 * @throws StowageError `manifest-invalid` for a folder, `document-invalid` with file and line
 */
export async function checkQuestions(
  { evaluations = [], files: sources }: Pick<Manifest, 'evaluations' | 'files'>,
  files: readonly LockedFile[],
  store: BlobStore,
): Promise<void> {
  for (const evaluation of evaluations) {
    const file = files.find(({ name }) => name === evaluation.questions);
    const source = sources.find(({ name }) => name === evaluation.questions);
    if (file === undefined || source === undefined)
      throw new Error(`files ${evaluation.questions} passed the schema but were not locked`);
    if (file.kind === 'tree')
      throw new StowageError(
        'manifest-invalid',
        `files ${file.name} are a folder: evaluation ${evaluation.name} needs one file of questions`,
        {
          expected: 'the path of a file of JSON Lines',
          found: source.source,
          hint: 'name the file itself as the source',
        },
      );
    const bytes = await store.read(file.digest, MAX_QUESTIONS_BYTES);
    readQuestions(bytes, source.source, evaluation);
  }
}
