import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request with its target parsed; `path` is as received, percent-encoded. */
export interface DepotRequest {
  readonly message: IncomingMessage;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

/** One API of the depot. Answers the request and returns true, or leaves it untouched and returns false. */
export type Handler = (request: DepotRequest, response: ServerResponse) => Promise<boolean>;

/** The kind of a request, for metrics and the log. */
export type Route = 'bundle' | 'file' | 'health' | 'hub' | 'metrics' | 'oci' | 'other' | 'page';

export function routeOf(path: string): Route {
  if (path === '/v2' || path.startsWith('/v2/')) return 'oci';
  if (path.startsWith('/api/') || /\/(?:resolve|raw)\//.test(path)) return 'hub';
  if (path === '/') return 'page';
  if (path.startsWith('/bundles/')) return 'bundle';
  if (path.startsWith('/files/')) return 'file';
  return path === '/healthz' ? 'health' : path === '/metrics' ? 'metrics' : 'other';
}
