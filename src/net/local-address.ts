import { lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { isLoopback } from './address.ts';

/** This machine, and what answers without a password on its own link: the metadata services of clouds. */
const near = new BlockList();
near.addSubnet('0.0.0.0', 8);
near.addSubnet('127.0.0.0', 8);
near.addSubnet('169.254.0.0', 16);
near.addAddress('::', 'ipv6');
near.addAddress('::1', 'ipv6');
near.addSubnet('fe80::', 10, 'ipv6');
near.addAddress('fd00:ec2::254', 'ipv6');

/** Whether a server that is elsewhere names an address of this machine or of its link, where it has no business. */
export function leadsInside(named: URL, from: URL): boolean {
  return isNear(named.hostname) && !isNear(from.hostname);
}

/** Whether a host name or address is of this machine or of its link. */
export function isNear(hostname: string): boolean {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
  if (isLoopback(bare) || bare.endsWith('.localhost')) return true;
  const family = isIP(bare);
  return family !== 0 && near.check(bare, family === 6 ? 'ipv6' : 'ipv4');
}

/** That a name turned out to be an address of this machine or of its link. */
export class LedInside extends Error {
  readonly code = 'ERR_LED_INSIDE';
}

/** Looks names up that a server gave us, and takes no address of this machine or of its link for an answer. */
export const lookupElsewhere: LookupFunction = (hostname, options, done) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const inside = addresses?.find(({ address }) => isNear(address));
    const [first] = addresses ?? [];
    if (error !== null) done(error, []);
    else if (inside !== undefined) done(new LedInside(`${hostname} is ${inside.address}`), []);
    else if (options.all === true) done(null, addresses);
    else done(null, first?.address ?? '', first?.family);
  });
};
