import { BlockList, isIP, isIPv4 } from 'node:net';
import type { Environment } from '../core/context.ts';
import { StowageError } from '../core/error.ts';
import { isLoopback } from './address.ts';

/** The proxies of this machine's environment. */
export interface Proxies {
  readonly http?: URL;
  readonly https?: URL;
  /** `NO_PROXY` as it is set. */
  readonly direct: string;
  /** The proxy for an address; undefined for a direct connection, as to this machine always. */
  for(url: URL): URL | undefined;
}

/**
 * Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`; the lower-case names take precedence, as in curl and git.
 * `proxy:3128` means http. An unusable proxy is an error: we never connect without the proxy that was set.
 * @throws StowageError `usage-invalid`, without the user and the password of the address
 */
export function readProxies(env: Environment): Proxies {
  const value = (name: string): string =>
    (env[name.toLowerCase()] || env[name.toUpperCase()] || '').trim();
  const proxy = (name: string): URL | undefined => {
    const from = value(name) === '' ? 'ALL_PROXY' : name;
    return value(from) === '' ? undefined : parseProxy(value(from), from);
  };
  const [http, https] = [proxy('HTTP_PROXY'), proxy('HTTPS_PROXY')];
  const direct = value('NO_PROXY');
  const entries = direct.split(/[\s,]+/).filter(Boolean);
  return {
    ...(http && { http }),
    ...(https && { https }),
    direct,
    for: (url) =>
      isLoopback(url.hostname) || entries.some((entry) => covers(entry, url))
        ? undefined
        : url.protocol === 'https:'
          ? https
          : http,
  };
}

function parseProxy(text: string, name: string): URL {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url !== null && /^https?:$/.test(url.protocol) && url.hostname !== '') return url;
  const socks = url?.protocol.startsWith('socks') === true;
  throw new StowageError('usage-invalid', `${name} is not a usable proxy`, {
    expected: 'http://host:port or https://host:port, with user:password@ if it asks for them',
    // No more of it: the unreadable part may be a password.
    found: url === null ? 'no address' : `${url.protocol}//`,
    hint: socks
      ? `SOCKS proxies are not supported: set ${name} to an HTTP proxy, or unset it if the hosts can be reached directly`
      : `correct ${name}; list hosts that need no proxy in NO_PROXY`,
  });
}

/** `*`, a host with its subdomains (`example.com`, `.example.com`), an address, a network (`10.0.0.0/8`); optionally a port. */
function covers(entry: string, url: URL): boolean {
  if (entry === '*') return true;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const network = /^([0-9a-f.:]+)\/(\d{1,3})$/i.exec(entry);
  if (network !== null)
    return isIP(host) !== 0 && isWithin(host, network[1] ?? '', Number(network[2]));
  // An IPv6 address has colons of its own.
  const [, named = '', port] =
    isIP(entry) === 0 ? (/^(.*?)(?::(\d+))?$/.exec(entry) ?? []) : ['', entry, undefined];
  const name = named
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/^\*?\./, '');
  const defaultPort = url.protocol === 'https:' ? '443' : '80';
  if (name === '' || (port !== undefined && port !== (url.port || defaultPort))) return false;
  return host === name || (isIP(host) === 0 && host.endsWith(`.${name}`));
}

function isWithin(address: string, network: string, bits: number): boolean {
  const kind = isIPv4(network) ? 'ipv4' : 'ipv6';
  if (isIP(network) === 0 || bits > (kind === 'ipv4' ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(network, bits, kind);
  return list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}
