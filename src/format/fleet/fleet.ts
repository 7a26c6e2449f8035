import * as z from 'zod';
import { MAX_MANIFEST_BYTES } from '../../core/limits.ts';
import type { DocumentKind } from '../document.ts';
import { exact } from '../exact.ts';
import * as field from '../field.ts';
import { apiVersionMember, newerHints } from '../version.ts';

/** What must be shown before a release is promoted to a channel. */
export interface Evidence {
  /** So many sites ran the release, healthy in all their receipts, for at least so many days. */
  readonly healthy?: { readonly sites: number; readonly days: number };
  /** The promotion needs signatures of the trust document's role `approval` as well. */
  readonly approval?: boolean;
}

/** A channel of the fleet. */
export interface FleetChannel {
  /** The channel from which releases are promoted; absent for one that takes bundles as they are packed. */
  readonly from?: string;
  readonly evidence?: Evidence;
}

/** The settings of a fleet, `fleet.yaml`, written by hand. */
export interface Fleet {
  readonly apiVersion: 'stowage/v1';
  readonly name: string;
  /** The age in days from which the newest receipt of a site is reported as old. */
  readonly receiptDays: number;
  readonly channels: Readonly<Record<string, FleetChannel>>;
}

const evidence: z.ZodType<Evidence> = exact(
  z.strictObject({
    healthy: z
      .strictObject({
        sites: z.int().min(1).max(100_000),
        days: z.int().min(0).max(3650),
      })
      .exactOptional(),
    approval: z.boolean().exactOptional(),
  }),
);

const schema: z.ZodType<Fleet> = exact(
  z
    .strictObject({
      apiVersion: z.literal('stowage/v1'),
      name: field.name,
      receiptDays: z.int().min(1).max(3650).default(30),
      channels: z
        .record(
          field.name,
          z.strictObject({
            from: field.name.exactOptional(),
            evidence: evidence.exactOptional(),
          }),
        )
        .default({}),
    })
    .superRefine(({ channels }, context) => {
      for (const [name, { from, evidence: asked }] of Object.entries(channels)) {
        const defect = (member: string, message: string): void =>
          context.addIssue({ code: 'custom', path: ['channels', name, member], message });
        if (from !== undefined && !Object.hasOwn(channels, from))
          defect('from', 'no channel has this name');
        else if (leadsBack(channels, name)) defect('from', 'expected no circle of channels');
        if (asked !== undefined && from === undefined)
          defect('evidence', 'expected from as well: evidence is for promotions');
      }
    }),
);

function leadsBack(channels: Readonly<Record<string, FleetChannel>>, name: string): boolean {
  const seen = new Set([name]);
  for (let next = channels[name]?.from; next !== undefined; next = channels[next]?.from) {
    if (seen.has(next)) return true;
    seen.add(next);
  }
  return false;
}

export const fleetKind: DocumentKind<Fleet> = {
  name: 'fleet.yaml',
  versionIn: apiVersionMember,
  code: 'document-invalid',
  schema,
  maxBytes: MAX_MANIFEST_BYTES,
  hint: 'correct fleet.yaml in the folder of the fleet; manifests/FLEET.md explains every field',
  hintAt: ({ file, line, field: member }) =>
    `correct ${member === undefined ? '' : `${member} in `}line ${line} of ${file}; manifests/FLEET.md explains every field`,
  newerHint: newerHints.written,
};
