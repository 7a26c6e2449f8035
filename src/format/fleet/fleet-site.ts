import * as z from 'zod';
import { MAX_CERTIFICATE_BYTES, MIB } from '../../core/limits.ts';
import type { DocumentKind } from '../document.ts';
import { exact } from '../exact.ts';
import * as field from '../field.ts';
import { type TargetName, targetNames } from '../target-name.ts';
import { schemaMember } from '../version.ts';

/** What a fleet records of one site. Signed by the role `release`; each change is a document of its own. */
export interface FleetSite {
  readonly schema: 'stowage/fleet-site/v1';
  readonly name: string;
  /** 1 for the first; the document with the highest number is in force. */
  readonly number: number;
  readonly at: string;
  /** The certificate that signs the receipts of the site: its DER in base64. */
  readonly certificate: string;
  readonly target?: TargetName;
  readonly labels: Readonly<Record<string, string>>;
  /** The channels whose releases the site takes. */
  readonly channels: readonly string[];
  /** Whom to ask, in words. */
  readonly contact?: string;
  /** True once the site was given up: it is listed, but nothing is expected of it. */
  readonly retired?: boolean;
}

const schema: z.ZodType<FleetSite> = exact(
  z.strictObject({
    schema: z.literal('stowage/fleet-site/v1'),
    name: field.name,
    number: field.sequence,
    at: field.moment,
    certificate: z.base64().max(MAX_CERTIFICATE_BYTES * 2),
    target: z.enum(targetNames).exactOptional(),
    labels: z.record(field.name, field.line(256)),
    channels: z.array(field.name).max(64),
    contact: field.line(500).exactOptional(),
    retired: z.boolean().exactOptional(),
  }),
);

export const fleetSiteKind: DocumentKind<FleetSite> = {
  name: 'site of a fleet',
  versionIn: schemaMember('fleet-site'),
  code: 'fleet-damaged',
  schema,
  maxBytes: MIB,
  hint: 'restore the file from version control; stowage fleet change-site records changes',
};
