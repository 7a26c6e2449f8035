import type { DepotRequest, Route } from './handler.ts';

/** The result of one request. */
export interface Answered {
  readonly route: Route;
  readonly status: number;
  /** Bytes sent, including headers. */
  readonly bytes: number;
  readonly milliseconds: number;
}

/** Metrics for Prometheus, in its text format 0.0.4. */
export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #bytes = new Map<Route, number>();
  readonly #seconds = new Map<Route, number>();
  #inFlight = 0;
  #connections = 0;

  begin(): void {
    this.#inFlight++;
  }

  end({ route, status, bytes, milliseconds }: Answered): void {
    this.#inFlight--;
    add(this.#requests, `route="${route}",code="${status}"`, 1);
    add(this.#bytes, route, bytes);
    add(this.#seconds, route, milliseconds / 1000);
  }

  connection(change: 1 | -1): void {
    this.#connections += change;
  }

  text(store: { readonly bytes: number; readonly releases: number }): string {
    const routes = (counts: ReadonlyMap<Route, number>): [string, number][] =>
      [...counts].map(([route, value]) => [`route="${route}"`, value]);
    return [
      family('requests_total', 'counter', 'Responses by route and status code.', [
        ...this.#requests,
      ]),
      family('sent_bytes_total', 'counter', 'Bytes sent.', routes(this.#bytes)),
      family(
        'request_seconds_total',
        'counter',
        'Time from a request to the end of its response.',
        routes(this.#seconds),
      ),
      family('requests_in_flight', 'gauge', 'Requests in progress.', [['', this.#inFlight]]),
      family('connections', 'gauge', 'Open connections.', [['', this.#connections]]),
      family('store_bytes', 'gauge', 'Bytes of the blobs served.', [['', store.bytes]]),
      family('releases', 'gauge', 'Releases served.', [['', store.releases]]),
    ].join('');
  }
}

function add<K>(counts: Map<K, number>, key: K, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

function family(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  values: readonly (readonly [string, number])[],
): string {
  const full = `stowage_depot_${name}`;
  const lines = values.map(([labels, value]) =>
    labels === '' ? `${full} ${value}` : `${full}{${labels}} ${value}`,
  );
  return [`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, ...lines, ''].join('\n');
}

/** One line of the access log: a JSON object without anything that may be a client's secret. */
export type AccessLine = (line: string) => void;

const MAX_PATH = 1024;
const MAX_AGENT = 120;
/** The query parameters that are logged; any other may be a token. */
const PLAIN_PARAMETERS = ['artifactType', 'expand', 'last', 'n', 'ns', 'recursive'];

/**
 * The line for a response. It has no header but the user agent, no query parameter but those of the APIs, and of a
 * token only its holder's name.
 */
export function accessLine(
  at: Date,
  { message, method, path, query }: DepotRequest,
  { status, bytes, milliseconds }: Answered,
  holder?: string,
): string {
  const kept = PLAIN_PARAMETERS.flatMap((name): [string, string][] => {
    const value = query.get(name);
    return value === null ? [] : [[name, value]];
  });
  const rest = kept.length === 0 ? '' : `?${new URLSearchParams(kept)}`;
  const agent = message.headers['user-agent'];
  const { range } = message.headers;
  return JSON.stringify({
    time: at.toISOString(),
    client: message.socket.remoteAddress ?? '',
    ...(holder === undefined ? {} : { holder }),
    method,
    path: `${path}${rest}`.slice(0, MAX_PATH),
    ...(range === undefined ? {} : { range: range.slice(0, MAX_AGENT) }),
    status,
    bytes,
    milliseconds: Math.round(milliseconds),
    ...(agent === undefined ? {} : { agent: agent.slice(0, MAX_AGENT) }),
  });
}
