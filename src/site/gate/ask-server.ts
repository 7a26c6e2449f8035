import {
  type Endpoint,
  type HttpRequest,
  type HttpResponse,
  sendRequest,
} from '../../target/http-request.ts';
import { askOver, type Way } from '../../target/way.ts';

/** Where a gate asks a server. */
export interface Asked {
  readonly endpoint: Endpoint;
  readonly way?: Way | undefined;
  readonly signal: AbortSignal;
}

/**
 * Sends a request to a server, and again while the way to it fails.
 * @returns undefined when the server did not answer
 * @throws StowageError `engine-failed` when the way stays down, `interrupted`
 */
export async function askServer(
  request: Pick<HttpRequest, 'path' | 'seconds' | 'body' | 'open'>,
  { endpoint, way, signal }: Asked,
): Promise<HttpResponse | undefined> {
  return askOver(way, () => sendRequest({ ...request, endpoint, signal }), signal);
}
