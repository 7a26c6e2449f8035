import { isLoopback } from '../net/address.ts';

/** The address of a service that a person configured. */
export interface Endpoint {
  /** Without a trailing slash; may have a path. Absent if the address cannot be used. */
  readonly address?: string;
  /** What was configured, without its secrets. */
  readonly found: string;
}

/** Reads an https address without user or query; http is for this machine. */
export function readEndpoint(text: string): Endpoint {
  const url = URL.parse(text);
  if (url === null) return { found: 'no address' };
  const found = `${url.protocol}//${url.host}`;
  const plain = url.protocol === 'http:' && isLoopback(url.hostname);
  const more = `${url.username}${url.password}${url.search}${url.hash}`;
  if ((url.protocol !== 'https:' && !plain) || more !== '') return { found };
  return { address: `${url.origin}${url.pathname}`.replace(/\/+$/, ''), found };
}
