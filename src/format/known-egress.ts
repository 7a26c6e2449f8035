import { isIP } from 'node:net';
import * as z from 'zod';
import { canonicalIpv6 } from '../core/host-address.ts';
import { addressPattern } from './address-pattern.ts';
import * as field from './field.ts';
import { forEditors, partOf } from './for-editors.ts';

/** A connection that a release is known to try, and why it is harmless that it cannot be made. */
export interface KnownEgress {
  /** A host name, `*.` and a domain for all names below it, or an IP address. */
  readonly host: string;
  /** Absent for every port. */
  readonly port?: number;
  readonly reason: string;
}

const HOST_NAME = /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_-]{1,63}$/;

const host = forEditors(
  z
    .string()
    .max(253)
    .refine(
      (text) =>
        isIP(text) === 4 ||
        (isIP(text) === 6 && canonicalIpv6(text) === text) ||
        (HOST_NAME.test(text) && !/^[0-9.]+$/.test(text)),
      'expected a host name in lower case, such as huggingface.co or *.example.com, or an IP address',
    ),
  { pattern: `${addressPattern}|(?![0-9.]+$)${partOf(HOST_NAME)}` },
);

/** The `knownEgress` of a manifest; absent if there is none. */
export const knownEgress: z.ZodType<readonly KnownEgress[]> = field.exact(
  z
    .array(
      z.strictObject({
        host,
        port: z.int().min(1).max(65_535).exactOptional(),
        reason: field.reason(500),
      }),
    )
    .min(1)
    .max(256),
);

/** What an attempt to reach out was about; a lookup has no port. */
export interface Destination {
  readonly name?: string;
  readonly address?: string;
  readonly port?: number;
}

/** The entry that covers an attempt; undefined if none does. */
export function knownFor(
  { name, address, port }: Destination,
  known: readonly KnownEgress[] = [],
): KnownEgress | undefined {
  return known.find(
    (each) =>
      (port === undefined || each.port === undefined || each.port === port) &&
      (name === undefined ? each.host === address : covers(each.host, name)),
  );
}

function covers(host: string, name: string): boolean {
  return host.startsWith('*.') ? name.endsWith(host.slice(1)) : host === name;
}
