import { StowageError } from '../core/error.ts';
import { isHubRepository } from '../core/repository-name.ts';
import { quoted } from '../core/text.ts';
import type { Authorization, Http, HttpRequest } from '../net/http.ts';
import type { CredentialStore } from '../net/registry-credentials.ts';
import type { Secret } from '../net/secret.ts';
import { rangeOrigin } from './https.ts';
import { describeModel, type HubApi } from './hub-api.ts';
import type { HubModel } from './hub-model.ts';
import { hubRefusal } from './hub-refusal.ts';
import type { HubSettings } from './hub-settings.ts';
import { parseHubSource } from './hub-source.ts';
import type { Origin } from './origin.ts';

export type { HubFile, HubModel } from './hub-model.ts';
export { type HubSettings, hubSettings } from './hub-settings.ts';

/** A Hugging Face Hub, or a mirror of one. */
export interface Hub {
  readonly endpoint: string;
  /**
   * Resolves `hf://organisation/name@revision`, or the same at the address in an `hf+https` source. Also checks access to the files if the model is gated.
   * @throws StowageError `source-not-found`, `source-gated`, `source-denied`, other `source-*`
   */
  resolve(source: string, signal: AbortSignal): Promise<HubModel>;
  /** @param source that the model was resolved from; without one, it is of this Hub */
  file(
    model: Pick<HubModel, 'repository' | 'commit'> & { readonly source?: string },
    path: string,
  ): Promise<Origin>;
}

/** @param credentials of other Hubs, by their host: the password is the token */
export function createHub(
  { endpoint, token }: HubSettings,
  http: Http,
  credentials?: CredentialStore,
): Hub {
  const tokenFor = async (address: string, signal: AbortSignal): Promise<Secret | undefined> => {
    if (address === endpoint) return token;
    const found = await credentials?.find(new URL(address).host, '', signal);
    return found?.kind === 'basic' ? found.password : found?.token;
  };
  const apiOf = async (address: string, signal: AbortSignal): Promise<HubApi> => {
    const secret = await tokenFor(address, signal);
    const authorization: Authorization | undefined = secret && { scheme: 'Bearer', secret };
    return { http, endpoint: address, authorization };
  };
  return {
    endpoint,
    resolve: async (source, signal) => {
      const asked = parseHubSource(source);
      const api = await apiOf(asked.endpoint ?? endpoint, signal);
      const model = await describeModel(api, asked, signal);
      const [first] = model.files;
      if (model.gated && first !== undefined) {
        await http.request({ ...fileRequest(api, model, first.path), method: 'HEAD' }, signal);
      }
      return model;
    },
    file: async (model, path) => {
      const { source } = model;
      const at = source === undefined ? undefined : parseHubSource(source).endpoint;
      const api = await apiOf(at ?? endpoint, new AbortController().signal);
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
