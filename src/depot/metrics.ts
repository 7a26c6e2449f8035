import type { Route } from './handler.ts';

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
