import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerFromStorage, answerRequest, type EndpointOptions } from './hub/endpoints.ts';
import { conclude, type Exchange, type RequestRecord, record } from './hub/exchange.ts';
import type { Fault } from './hub/fault.ts';
import { findRevision, type HubRepo, type LoadedRepo, loadRepo } from './hub/repository.ts';

export type { RequestRecord } from './hub/exchange.ts';
export type { Fault } from './hub/fault.ts';
export type { HubRepo } from './hub/repository.ts';

export interface HubOptions extends EndpointOptions {
  readonly repos: readonly HubRepo[];
  /** Send LFS files by a redirect to a second origin that refuses an Authorization header, as the real Hub does. */
  readonly redirect?: boolean;
  /** Asked before each answer for what shall go wrong with it. */
  readonly fault?: (request: RequestRecord) => Fault | undefined;
}

export interface Hub {
  readonly url: string;
  readonly requests: RequestRecord[];
  /** Adds a repository, or reads a known one's folders again. */
  put(repo: HubRepo): Promise<void>;
  /** The commit of a revision name. */
  commit(repo: string, revision: string): string;
  stop(): Promise<void>;
}

/** A Hugging Face Hub endpoint on a free loopback port, serving folders of this disk without reading a file whole. */
export async function startHub(options: HubOptions): Promise<Hub> {
  const repos = new Map<string, LoadedRepo>();
  const requests: RequestRecord[] = [];
  const put = async (repo: HubRepo): Promise<void> => {
    repos.set(repo.name, await loadRepo(repo));
  };
  for (const repo of options.repos) await put(repo);

  const serve = async (
    origin: RequestRecord['origin'],
    answer: (exchange: Exchange) => Promise<void>,
  ): Promise<{ server: Server; url: string }> => {
    const server = createServer((request, response) => {
      const exchange = record(origin, request, response);
      requests.push(exchange.record);
      void conclude(exchange, options.fault?.(exchange.record), answer);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  };
  const storage = await serve('storage', (exchange) => answerFromStorage(exchange, repos));
  const hub = await serve('hub', (exchange) =>
    answerRequest(exchange, repos, options, options.redirect === true ? storage.url : undefined),
  );
  return {
    url: hub.url,
    requests,
    put,
    commit: (name, revision) => {
      const found = repos.get(name);
      const commit = found && findRevision(found, revision)?.commit;
      if (commit === undefined) throw new Error(`no ${name}@${revision} on this hub`);
      return commit;
    },
    stop: async () => {
      await Promise.all([close(hub.server), close(storage.server)]);
    },
  };
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
