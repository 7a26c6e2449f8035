import { lookup } from 'node:dns';
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net';

export { oneLine } from '../core/text.ts';

/** An address as messages may show it: no user, no password, no query, no fragment. */
export function redactUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

/** Whether a host name (with or without brackets) means this machine: 127.0.0.0/8, ::1, localhost. */
export function isLoopback(hostname: string): boolean {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  return bare === 'localhost' || bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'));
}

/** This machine, and what answers without a password on its link, such as the metadata services of clouds. */
const local = new BlockList();
local.addSubnet('0.0.0.0', 8);
local.addSubnet('127.0.0.0', 8);
local.addSubnet('169.254.0.0', 16);
local.addAddress('::', 'ipv6');
local.addAddress('::1', 'ipv6');
local.addSubnet('fe80::', 10, 'ipv6');
local.addAddress('fd00:ec2::254', 'ipv6');

/** Whether a server elsewhere names an address of this machine or its link. */
export function pointsToLocal(named: URL, from: URL): boolean {
  return isLocal(named.hostname) && !isLocal(from.hostname);
}

/** Whether a host name or address is of this machine or its link. */
export function isLocal(hostname: string): boolean {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
  if (isLoopback(bare) || bare.endsWith('.localhost')) return true;
  const family = isIP(bare);
  return family !== 0 && local.check(bare, family === 6 ? 'ipv6' : 'ipv4');
}

/** A host name that a server gave resolves to an address of this machine or its link. */
export class LocalAddressError extends Error {
  readonly code = 'ERR_LOCAL_ADDRESS';
}

/** Resolves a host name that a server gave, and refuses addresses of this machine and its link. */
export const lookupPublic: LookupFunction = (hostname, options, done) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const refused = addresses?.find(({ address }) => isLocal(address));
    const [first] = addresses ?? [];
    if (error !== null) done(error, []);
    else if (refused !== undefined)
      done(new LocalAddressError(`${hostname} is ${refused.address}`), []);
    else if (options.all === true) done(null, addresses);
    else done(null, first?.address ?? '', first?.family);
  });
};
