import { createDirectTransport } from './direct-transport.ts';
import type { Transport } from './exchange.ts';
import type { HostTrust } from './host-trust.ts';
import { createNodeTransport } from './node-transport.ts';
import type { Proxies } from './proxy.ts';
import { asProxyFailure } from './proxy-failure.ts';

export interface TransportOptions {
  readonly proxies?: Proxies;
  readonly trust?: HostTrust;
}

/** Sends each request through the proxy that the environment names for it, or directly. */
export function createTransport({ proxies, trust }: TransportOptions = {}): Transport {
  const sendDirect = createDirectTransport();
  const send = createNodeTransport();
  const sendByProxy = createNodeTransport(proxies);
  return async (request) => {
    const { url } = request;
    const context = (url.protocol === 'https:' ? await trust?.(url.host) : undefined) ?? {};
    const proxy = proxies?.for(url);
    if (proxy === undefined) {
      return (await sendDirect(request, context)) ?? send(request, context);
    }
    try {
      // The proxy resolves names.
      return await sendByProxy({ ...request, redirected: false }, context);
    } catch (error) {
      throw asProxyFailure(error, proxy);
    }
  };
}
