import { systemCode } from '../core/error.ts';

/** A proxy was not reached, or refused to connect. */
export class ProxyFailure extends Error {
  /** Its answer, if it gave one. */
  readonly status: number | undefined;
  /** The system's code, if it did not. */
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

/** Failures to connect to the proxy itself; a certificate, for one, is that of the server behind it. */
const CONNECT_FAILURES = [
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT'],
  ...['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL'],
];

/** A failure of a request through a proxy: a {@link ProxyFailure} if it is the proxy's, else the same error. */
export function asProxyFailure(error: unknown, proxy: URL): unknown {
  const code = systemCode(error);
  if (code === 'ERR_PROXY_TUNNEL') {
    const { statusCode } = error as { statusCode?: unknown };
    const status = typeof statusCode === 'number' ? statusCode : undefined;
    return new ProxyFailure(proxy.host, status, undefined);
  }
  if (code === undefined || !CONNECT_FAILURES.includes(code)) return error;
  return new ProxyFailure(proxy.host, undefined, code);
}

/** `found` and `hint` of an error. */
export function explainProxy(
  { proxy, status, code }: ProxyFailure,
  host: string,
): { found: string; hint: string } {
  if (status === 407) {
    return {
      found: `status 407 of the proxy ${proxy}`,
      hint: 'the proxy asks for credentials: set HTTPS_PROXY and HTTP_PROXY to http://user:password@host:port',
    };
  }
  if (status !== undefined) {
    return {
      found: `status ${status} of the proxy ${proxy}`,
      hint: `ask the operator of the proxy to allow ${host}; list hosts that need no proxy in NO_PROXY`,
    };
  }
  const why = code === undefined ? 'closed the connection' : `cannot be reached (${code})`;
  return {
    found: `the proxy ${proxy} ${why}`,
    hint: 'check HTTPS_PROXY and HTTP_PROXY, and that the proxy runs',
  };
}
