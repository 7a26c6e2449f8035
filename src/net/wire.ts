import {
  Agent,
  type ClientRequest,
  type IncomingMessage,
  request as requestPlain,
} from 'node:http';
import { request as requestSecure, Agent as SecureAgent } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import type { HostTrust } from './host-trust.ts';
import { lookupElsewhere } from './local-address.ts';
import type { Proxies } from './proxy.ts';
import { asProxyFailure } from './proxy-failure.ts';
import { bodyOf } from './wire-body.ts';
import { createDirectWire } from './wire-direct.ts';
import { checked } from './wire-line.ts';
import type { WireRequest, WireResponse } from './wire-request.ts';

export type { WireRequest, WireResponse } from './wire-request.ts';

const TUNNEL_MS = 30_000;

/** Sends a request; rejects with the system's error when the connection fails. */
export type Wire = (request: WireRequest) => Promise<WireResponse>;

export interface WireOptions {
  readonly proxies?: Proxies;
  readonly trust?: HostTrust;
}

/**
 * Connections by `node:http` and `node:https`, kept for the next request: `fetch` knows no proxy, no authorities of a
 * host and no way to read without a copy.
 */
export function createWire(options: WireOptions = {}): Wire {
  const { proxies, trust } = options;
  const kept = { keepAlive: true, scheduling: 'lifo' } as const;
  const proxyEnv = { http_proxy: proxies?.http?.href, https_proxy: proxies?.https?.href };
  const agents = {
    near: { 'http:': new Agent(kept), 'https:': new SecureAgent(kept) },
    far: {
      'http:': new Agent({ ...kept, proxyEnv }),
      'https:': new SecureAgent({ ...kept, proxyEnv }),
    },
  };
  const direct = createDirectWire();
  return async (wanted) => {
    const { url } = wanted;
    const context = (url.protocol === 'https:' ? await trust?.(url.host) : undefined) ?? {};
    const proxy = proxies?.for(url);
    if (proxy !== undefined) {
      // Names are looked up by the proxy.
      return exchange({ ...wanted, strayed: false }, agents.far, context).catch(
        (error: unknown) => {
          throw asProxyFailure(error, proxy);
        },
      );
    }
    return (await direct(wanted, context)) ?? exchange(wanted, agents.near, context);
  };
}

function exchange(
  { method, url, headers, body, signal, strayed }: WireRequest,
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
    ...(strayed && url.protocol === 'http:' && { lookup: lookupElsewhere }),
    // Node counts it until a proxy has opened a tunnel, and hears no signal until then.
    timeout: TUNNEL_MS,
  };
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    const secure = url.protocol === 'https:';
    const request: ClientRequest = secure
      ? requestSecure({ ...options, ...context, ...checked, agent: agents['https:'] })
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
