import { isIP } from 'node:net';
import * as z from 'zod';
import { placePattern } from './address-pattern.ts';
import * as field from './field.ts';
import { forEditors, partOf } from './for-editors.ts';

/** Where a service may open connections to, besides its peers. */
export interface Egress {
  /** An address, a network such as `10.20.0.0/16`, or `${parameters.NAME}` for one of them. No name: packet rules have addresses. */
  readonly to: string;
  readonly protocol: 'tcp' | 'udp';
  readonly ports: readonly number[];
  /** For those who approve the release. */
  readonly reason: string;
}

/** An {@link Egress} with the values of a site. */
export type RenderedEgress = Omit<Egress, 'reason'>;

const NO_NAME = 'a name is not resolved';
const PARAMETER = /^\$\{parameters\.[a-z][A-Za-z0-9]*\}$/;

const place = forEditors(
  z.string().refine(isPlace, `expected an address, or a network such as 10.20.0.0/16: ${NO_NAME}`),
  { pattern: placePattern },
);

const protocol = z.enum(['tcp', 'udp']);

const opened = {
  protocol: protocol.default('tcp'),
  ports: z.array(field.port).min(1).max(32),
};

const reason = field.reason(200);

/** An item of `egress` of a service. */
export const egress: z.ZodType<Egress> = field.exact(
  z.strictObject({
    to: forEditors(
      z
        .string()
        .refine(
          (text) => PARAMETER.test(text) || isPlace(text),
          `expected an address, a network such as 10.20.0.0/16, or \${parameters.NAME}: ${NO_NAME}`,
        ),
      { pattern: `${partOf(PARAMETER)}|${placePattern}` },
    ),
    ...{ ...opened, reason },
  }),
);

/** What a site adds, in its own words and numbers. */
const ofSite: z.ZodType<Egress> = field.exact(z.strictObject({ to: place, ...opened, reason }));
export const siteEgress: z.ZodType<readonly Egress[]> = field.exact(z.array(ofSite).min(1).max(64));

export const renderedEgress: z.ZodType<RenderedEgress> = field.exact(
  z.strictObject({ to: place, protocol, ports: opened.ports }),
);

/** Whether a text is an IP address, or a network in CIDR notation (RFC 4632). */
export function isPlace(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || address.includes('%') || rest.length > 0) return false;
  if (bits === undefined) return true;
  return /^(?:0|[1-9][0-9]{0,2})$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}

/** Such as `10.20.0.5, TCP port 5432`. */
export function egressInWords({ to, protocol, ports }: RenderedEgress): string {
  return `${to}, ${protocol.toUpperCase()} ${ports.length === 1 ? 'port' : 'ports'} ${ports.join(', ')}`;
}
