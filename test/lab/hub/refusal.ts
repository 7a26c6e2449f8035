/** An answer of the Hub that is not what was asked for, with its status, code and message. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string | undefined,
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** To a stranger a repository that does not exist and one that is private look the same: 401. */
export function repoNotFound(anonymous: boolean): Refusal {
  return anonymous
    ? new Refusal(401, 'RepoNotFound', 'Invalid username or password.')
    : new Refusal(404, 'RepoNotFound', 'Repository not found');
}

export function revisionNotFound(name: string): Refusal {
  return new Refusal(404, 'RevisionNotFound', `Invalid rev id: ${name}`);
}

export function entryNotFound(commit: string): Refusal {
  return new Refusal(404, 'EntryNotFound', 'Entry not found', { 'x-repo-commit': commit });
}

/** The information and the file list of a gated repository are open; its files are not. */
export function gatedRepo(repo: string, anonymous: boolean): Refusal {
  const restricted = `Access to model ${repo} is restricted`;
  return anonymous
    ? new Refusal(
        401,
        'GatedRepo',
        `${restricted}. You must have access to it and be authenticated to access it. Please log in.`,
      )
    : new Refusal(
        403,
        'GatedRepo',
        `${restricted} and you are not in the authorized list. Visit its page to ask for access.`,
      );
}

export function invalidToken(): Refusal {
  return new Refusal(401, undefined, 'Invalid credentials in Authorization header');
}
