import * as z from 'zod';
import { MIB } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { newerHints, schemaMember } from './version.ts';

/** What probe pods showed of the cluster of a site. */
export interface ClusterProof {
  readonly schema: 'stowage/cluster-proof/v1';
  /** The uid of the namespace kube-system, or the address of the API server for an account that may not read it. */
  readonly cluster: string;
  /** Whether the network plugin enforces NetworkPolicies. */
  readonly networkPolicy?: { readonly enforced: boolean; readonly at: string };
  /** The images that a node pulled, by reference and pull secret. */
  readonly pulls: readonly ProvenPull[];
}

export interface ProvenPull {
  readonly image: string;
  /** The name of the pull secret, which depends on its value; empty without one. */
  readonly secret: string;
  readonly node: string;
  readonly at: string;
}

/** The newest pulls that are kept. */
export const MAX_PULLS = 1000;

const schema: z.ZodType<ClusterProof> = exact(
  z.strictObject({
    schema: z.literal('stowage/cluster-proof/v1'),
    cluster: field.line(512),
    networkPolicy: z.strictObject({ enforced: z.boolean(), at: field.moment }).exactOptional(),
    pulls: z
      .array(
        z.strictObject({
          image: field.line(1024),
          secret: z.string().max(253),
          node: z.string().max(253),
          at: field.moment,
        }),
      )
      .max(MAX_PULLS),
  }),
);

export const clusterProofKind: DocumentKind<ClusterProof> = {
  name: 'proof about the cluster',
  versionIn: schemaMember('cluster-proof'),
  code: 'state-damaged',
  schema,
  maxBytes: 4 * MIB,
  hint: 'delete cluster-proof.json in the site folder and run stowage doctor',
  newerHint: newerHints.site,
};
