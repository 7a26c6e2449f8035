import {
  Agent,
  type ClientRequest,
  type IncomingMessage,
  request as requestPlain,
} from 'node:http';
import { request as requestSecure, Agent as SecureAgent } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import type { HostTrust } from '../credential/host-trust.ts';
import { isLoopback } from './address.ts';
import { bodyOf } from './wire-body.ts';
import { createDirectWire } from './wire-direct.ts';
import type { WireRequest, WireResponse } from './wire-request.ts';

export type { WireRequest, WireResponse } from './wire-request.ts';

/** Sends a request; rejects with the system's error when the connection fails. */
export type Wire = (request: WireRequest) => Promise<WireResponse>;

export interface WireOptions {
  /** `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, in either case. This machine is asked without a proxy. */
  readonly proxyEnvironment?: Readonly<Record<string, string | undefined>>;
  readonly trust?: HostTrust;
}

/**
 * Connections by `node:http` and `node:https`, kept for the next request: `fetch` knows no proxy, no authorities of a
 * host and no way to read without a copy.
 */
export function createWire(options: WireOptions = {}): Wire {
  const { proxyEnvironment: proxyEnv, trust } = options;
  const kept = { keepAlive: true, scheduling: 'lifo' } as const;
  const proxied = { ...kept, ...(proxyEnv && { proxyEnv: { ...proxyEnv } }) };
  const agents = {
    near: { 'http:': new Agent(kept), 'https:': new SecureAgent(kept) },
    far: { 'http:': new Agent(proxied), 'https:': new SecureAgent(proxied) },
  };
  const direct = createDirectWire();
  const hasProxy = Object.entries(proxyEnv ?? {}).some(
    ([name, value]) => /^(?:https?|all)_proxy$/i.test(name) && value,
  );
  return async (wanted) => {
    const { url } = wanted;
    const context = url.protocol === 'https:' ? await trust?.(url.host) : undefined;
    const near = isLoopback(url.hostname);
    if (near || !hasProxy) {
      const response = await direct(wanted, context ?? {});
      if (response !== undefined) return response;
    }
    const place = near ? agents.near : agents.far;
    return exchange(wanted, place, context ?? {});
  };
}

function exchange(
  { method, url, headers, body, signal }: WireRequest,
  agents: { readonly 'http:': Agent; readonly 'https:': SecureAgent },
  context: SecureContextOptions,
): Promise<WireResponse> {
  // Taken apart by hand: a user in an address would become an Authorization header.
  const options = {
    method,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    ...(url.port !== '' && { port: url.port }),
    path: `${url.pathname}${url.search}`,
    headers: {
      ...headers,
      ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
    },
    signal,
  };
  return new Promise((resolve, reject) => {
    const secure = url.protocol === 'https:';
    const request: ClientRequest = secure
      ? requestSecure({ ...options, ...context, agent: agents['https:'] })
      : requestPlain({ ...options, agent: agents['http:'] });
    request.on('error', reject);
    request.on('response', (response) => {
      resolve({
        status: response.statusCode ?? 0,
        headers: headersOf(response),
        ...bodyOf(response),
      });
      if (method === 'HEAD') response.resume();
    });
    request.end(body);
  });
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '');
  }
  return headers;
}
