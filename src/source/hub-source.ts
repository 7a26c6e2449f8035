import { StowageError } from '../core/error.ts';
import { readEndpoint } from './endpoint.ts';

export interface HubSource {
  /** `organisation/name`. */
  readonly repository: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  /** The address of the Hub, if the source has one. */
  readonly endpoint?: string;
}

const NAME = '[A-Za-z0-9][A-Za-z0-9._-]{0,95}';
const SOURCE = new RegExp(
  `^hf(?:://|\\+(https?://[^/@]+)/)(${NAME}/${NAME})(?:@([A-Za-z0-9][A-Za-z0-9._/-]{0,254}))?$`,
);

/**
 * Parses `hf://organisation/name@revision` or `hf+https://host/organisation/name@revision`; `main` without a revision.
 * @throws StowageError `manifest-invalid`
 */
export function parseHubSource(source: string): HubSource {
  const [, host, repository, revision = 'main'] = SOURCE.exec(source) ?? [];
  const endpoint = host === undefined ? undefined : readEndpoint(host).address;
  const known = host === undefined || endpoint !== undefined;
  if (repository !== undefined && known && !source.includes('..'))
    return { repository, revision, ...(endpoint === undefined ? {} : { endpoint }) };
  throw new StowageError('manifest-invalid', 'invalid model source', {
    expected: 'hf://organisation/name@revision',
    found: JSON.stringify(source.slice(0, 160)),
    hint: 'copy organisation and name from the address of the model page',
  });
}
