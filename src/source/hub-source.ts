import { StowageError } from '../core/error.ts';

export interface HubSource {
  /** `organisation/name`. */
  readonly repository: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

const NAME = '[A-Za-z0-9][A-Za-z0-9._-]{0,95}';
const SOURCE = new RegExp(`^hf://(${NAME}/${NAME})(?:@([A-Za-z0-9][A-Za-z0-9._/-]{0,254}))?$`);

/** Parses `hf://organisation/name@revision`; `main` without a revision. @throws StowageError `manifest-invalid` */
export function parseHubSource(source: string): HubSource {
  const [, repository, revision = 'main'] = SOURCE.exec(source) ?? [];
  if (repository !== undefined && !source.includes('..')) return { repository, revision };
  throw new StowageError('manifest-invalid', 'invalid model source', {
    expected: 'hf://organisation/name@revision',
    found: JSON.stringify(source.slice(0, 160)),
    hint: 'copy organisation and name from the address of the model page',
  });
}
