import { systemCode } from '../core/error.ts';

/** That a proxy was not reached, or did not lead to where it was asked to. */
export class ProxyFailure extends Error {
  /** What it answered, where it did. */
  readonly status: number | undefined;
  /** The system's own, where it did not. */
  readonly code: string | undefined;
  /** Host and port of the proxy. */
  readonly proxy: string;

  constructor(proxy: string, status: number | undefined, code: string | undefined) {
    super('the proxy failed');
    this.name = 'ProxyFailure';
    this.proxy = proxy;
    this.status = status;
    this.code = code;
  }
}

/** Failures of a connection to the proxy itself; a certificate, for one, is the affair of whoever lies behind it. */
const OF_THE_WAY = [
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT'],
  ...['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL'],
];

/** What a failure of a request by way of a proxy is: the proxy's, or what it was. */
export function asProxyFailure(error: unknown, proxy: URL): unknown {
  const code = systemCode(error);
  if (code === 'ERR_PROXY_TUNNEL') {
    const { statusCode } = error as { statusCode?: unknown };
    const status = typeof statusCode === 'number' ? statusCode : undefined;
    return new ProxyFailure(proxy.host, status, undefined);
  }
  if (code === undefined || !OF_THE_WAY.includes(code)) return error;
  return new ProxyFailure(proxy.host, undefined, code);
}

/** Found and hint of an error. */
export function explainProxy(
  { proxy, status, code }: ProxyFailure,
  host: string,
): { found: string; hint: string } {
  if (status === 407) {
    return {
      found: `status 407 of the proxy ${proxy}`,
      hint: 'the proxy wants a sign-in: HTTPS_PROXY and HTTP_PROXY take it as http://user:password@host:port',
    };
  }
  if (status !== undefined) {
    return {
      found: `status ${status} of the proxy ${proxy}`,
      hint: `ask who runs the proxy to let ${host} through; what needs no proxy belongs into NO_PROXY`,
    };
  }
  const why = code === undefined ? 'closed the connection' : `cannot be reached (${code})`;
  return {
    found: `the proxy ${proxy} ${why}`,
    hint: 'check HTTPS_PROXY and HTTP_PROXY, and that the proxy runs',
  };
}
