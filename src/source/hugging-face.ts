import { StowageError } from '../core/error.ts';
import { quoted } from '../core/printable.ts';
import { isHubRepository } from '../core/repository-name.ts';
import type { Authorization, Http, HttpRequest } from '../net/http.ts';
import { describeModel, type HubApi } from './hub-api.ts';
import type { HubModel } from './hub-model.ts';
import { hubRefusal } from './hub-refusal.ts';
import type { HubSettings } from './hub-settings.ts';
import { parseHubSource } from './hub-source.ts';
import type { Origin } from './origin.ts';
import { rangeOrigin } from './range-origin.ts';

export type { HubFile, HubModel } from './hub-model.ts';
export { type HubSettings, hubSettings } from './hub-settings.ts';

/** A Hugging Face Hub, or a mirror of one. */
export interface Hub {
  readonly endpoint: string;
  /**
   * Resolves `hf://organisation/name@revision`. Also checks access to the files if the model is gated.
   * @throws StowageError `source-not-found`, `source-gated`, `source-denied`, other `source-*`
   */
  resolve(source: string, signal: AbortSignal): Promise<HubModel>;
  file(model: Pick<HubModel, 'repository' | 'commit'>, path: string): Origin;
}

export function createHub({ endpoint, token }: HubSettings, http: Http): Hub {
  const authorization: Authorization | undefined = token && { scheme: 'Bearer', secret: token };
  const api: HubApi = { http, endpoint, authorization };
  return {
    endpoint,
    resolve: async (source, signal) => {
      const model = await describeModel(api, parseHubSource(source), signal);
      const [first] = model.files;
      if (model.gated && first !== undefined) {
        await http.request({ ...fileRequest(api, model, first.path), method: 'HEAD' }, signal);
      }
      return model;
    },
    file: (model, path) => {
      const request = fileRequest(api, model, path);
      return rangeOrigin(
        request,
        (part, signal) => http.request({ ...request, ...part }, signal),
        http.request,
      );
    },
  };
}

function fileRequest(
  { endpoint, authorization }: HubApi,
  { repository, commit }: Pick<HubModel, 'repository' | 'commit'>,
  path: string,
): HttpRequest {
  const segments = path.split('/');
  // A URL would normalize these segments, and the request would go to another path on the host.
  if (!isHubRepository(repository) || segments.some((each) => ['', '.', '..'].includes(each))) {
    throw new StowageError('path-unsafe', `unsafe path ${quoted(path)}`, {
      expected: 'a file of a repository organisation/name',
      hint: 'exclude the file in the manifest',
    });
  }
  const encoded = segments.map(encodeURIComponent).join('/');
  const question = { endpoint, repository, revision: commit, path };
  return {
    what: `${path} of ${repository}`,
    url: new URL(`${endpoint}/${repository}/resolve/${encodeURIComponent(commit)}/${encoded}`),
    authorization,
    explain: (refusal) =>
      hubRefusal(refusal, { ...question, hasToken: authorization !== undefined }),
  };
}
