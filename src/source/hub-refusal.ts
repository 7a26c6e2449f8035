import { StowageError } from '../core/error.ts';
import { oneLine } from '../net/address.ts';
import type { HttpRefusal } from '../net/http.ts';

/** A request to the Hub. */
export interface HubQuestion {
  readonly endpoint: string;
  readonly repository: string;
  readonly revision: string;
  /** The path of a file in the repository. */
  readonly path?: string;
  readonly hasToken: boolean;
}

/**
 * The error for a refusal by the Hub, from its status and X-Error-Code. Without a token, the Hub answers 401 both for
 * repositories that do not exist and for private ones.
 */
export function hubRefusal(
  { status, headers, said }: HttpRefusal,
  question: HubQuestion,
): StowageError | undefined {
  if (status !== 401 && status !== 403 && status !== 404) return undefined;
  const { endpoint, repository, revision, path, hasToken } = question;
  const code = headers.get('x-error-code');
  const found = oneLine(`status ${status} ${code ?? ''}: ${errorText(said)}`);
  const page = `${endpoint}/${repository}`;
  if (code === 'GatedRepo') return gated(question, found);
  if (code === 'RevisionNotFound') {
    return new StowageError('source-not-found', `${repository} has no revision ${revision}`, {
      expected: 'a branch, a tag or a whole commit id',
      found,
      hint: `choose a revision from ${page}/commits/main`,
    });
  }
  if (code === 'EntryNotFound') {
    return new StowageError('source-not-found', `${repository}@${revision} has no ${path}`, {
      found,
      hint: `see its files at ${page}/tree/${revision}`,
    });
  }
  if (code === 'RepoNotFound' || status === 404 || (status === 401 && !hasToken)) {
    const unsure = status === 404 && code === null ? ` at revision ${revision}` : '';
    return new StowageError(
      'source-not-found',
      `${repository}${unsure} does not exist, or is private`,
      {
        expected: `a model repository at ${page}`,
        found,
        hint: hasToken
          ? 'check the spelling, and that the account of your token has access'
          : 'check the spelling; if it is private, set HF_TOKEN to a token with read access',
      },
    );
  }
  return new StowageError('source-denied', `not allowed to read ${repository}`, {
    expected: `access to ${page}`,
    found,
    hint: hasToken
      ? 'check that your token is valid and has read access to this repository'
      : 'set HF_TOKEN to a token with read access',
  });
}

function gated({ endpoint, repository, hasToken }: HubQuestion, found: string): StowageError {
  const accept = `accept its license at ${endpoint}/${repository}`;
  return new StowageError('source-gated', `${repository} is gated`, {
    expected: 'an account that has accepted its license',
    found,
    hint: hasToken
      ? `${accept} with the account of your HF_TOKEN (a fine-grained token also needs access to gated repositories)`
      : `${accept}, then set HF_TOKEN to a token of that account`,
  });
}

function errorText(said: string): string {
  try {
    const { error } = JSON.parse(said) as { error?: unknown };
    return typeof error === 'string' ? error : '';
  } catch {
    return '';
  }
}
