import type { Emit } from '../core/context.ts';
import { StowageError } from '../core/error.ts';
import { quoted } from '../core/text.ts';

/** Failures of one source that say nothing about the next: it does not answer, lacks the content, or has other content. */
const OF_ONE_SOURCE: ReadonlySet<string> = new Set([
  'source-not-found',
  'source-unreachable',
  'source-denied',
  'source-gated',
  'source-mismatch',
  'source-malformed',
  'source-unsupported',
  'file-missing',
  'file-kind',
  'lock-stale',
]);

/** What the sources are of, such as `model chat`, and who is told. */
export interface Trying {
  readonly what: string;
  readonly emit: Emit;
}

/**
 * The result of the first source that gives one, in order. A warning says why each one before it was not used.
 * @throws StowageError of the only source; with several, a list of what is wrong with each, under the code of the first
 */
export async function firstOf<S extends { readonly source: string }, T>(
  sources: readonly S[],
  { what, emit }: Trying,
  attempt: (source: S) => Promise<T>,
): Promise<T> {
  const failed: { readonly source: string; readonly error: StowageError }[] = [];
  for (const [index, each] of sources.entries()) {
    try {
      return await attempt(each);
    } catch (error) {
      if (!(error instanceof StowageError) || !OF_ONE_SOURCE.has(error.code)) throw error;
      failed.push({ source: each.source, error });
      const next = sources[index + 1];
      if (next === undefined) break;
      emit({
        type: 'warning',
        message: `${what}: ${lineOf(each.source, error)}; trying ${quoted(next.source)} instead`,
        hint: error.hint,
      });
    }
  }
  const [first] = failed;
  if (first === undefined) throw new RangeError('a model or image has at least one source');
  if (failed.length === 1) throw first.error;
  throw new StowageError(first.error.code, `no source of ${what} can be used`, {
    expected: 'the content from one of its sources',
    found: `${failed.length} sources without it`,
    hint: first.error.hint,
    defects: failed.map(({ source, error }) => lineOf(source, error)),
    cause: first.error,
  });
}

function lineOf(source: string, error: StowageError): string {
  const verb = error.code === 'source-mismatch' ? 'is refused' : 'cannot be used';
  const { message, expected, found } = error;
  const seen = [
    ...(expected === undefined ? [] : [`expected ${expected}`]),
    ...(found === undefined ? [] : [`found ${found}`]),
  ].join(', ');
  return `${quoted(source)} ${verb}: ${message}${seen === '' ? '' : ` (${seen})`} [${error.code}]`;
}
