import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request whose target was taken apart; `path` is as it was sent, with its percent-encoding. */
export interface DepotRequest {
  readonly message: IncomingMessage;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

/** One API of the depot. Answers the request, or leaves it untouched and says false. */
export type Handler = (request: DepotRequest, response: ServerResponse) => Promise<boolean>;

/** What a request was for, in metrics and in the log. */
export type Route = 'health' | 'hub' | 'metrics' | 'oci' | 'other' | 'page';

export function routeOf(path: string): Route {
  if (path === '/v2' || path.startsWith('/v2/')) return 'oci';
  if (path.startsWith('/api/') || /\/(?:resolve|raw)\//.test(path)) return 'hub';
  if (path === '/') return 'page';
  return path === '/healthz' ? 'health' : path === '/metrics' ? 'metrics' : 'other';
}
