import type { Health } from '../../format/service.ts';
import { type Asked, askServer } from './ask-server.ts';
import type { ServerCheck } from './outcome.ts';

const REQUEST_SECONDS = 10;
/** A path that every server of OpenAI's API protects. llama-server lists its models for everybody. */
const PROTECTED = '/v1/completions';

/** The check of a server with an API key: it refuses a request without one, and the key is known. */
export function keyChecks(
  { apiKey, server }: Pick<Health, 'apiKey' | 'server'>,
  asked: Asked,
): ServerCheck[] {
  // Of another server, it is not known what it protects.
  if (apiKey === undefined || server === 'http') return [];
  const path = PROTECTED;
  return [
    {
      expected: `401 from ${path} without the API key, secret ${apiKey}`,
      run: async () => {
        if ((await asked.endpoint.apiKey?.()) === undefined)
          return `neither site.yaml nor the engine has the value of secret ${apiKey} with which the service was started, as one line of visible ASCII characters`;
        const request = { path, seconds: REQUEST_SECONDS, body: {}, open: true };
        const response = await askServer(request, asked);
        if (response === undefined) return `no response from ${path} without the API key`;
        const { status } = response;
        if (status === 401 || status === 403) return { passed: `${status} without the API key` };
        return `status ${status} from ${path} without the API key: the server does not require it`;
      },
    },
  ];
}
