import * as z from 'zod';
import type { Digest } from '../core/digest.ts';
import { MIB } from '../core/limits.ts';
import { type DocumentKind, newerHints, schemaMember } from './document.ts';
import * as field from './field.ts';

/** The cluster that runs the services of a site, at the time of a receipt. */
export interface ClusterRecord {
  /** The uid of its namespace kube-system, which it has for life; absent if the account may not read it. */
  readonly uid?: string;
  /** Of its API server, such as `v1.36.3`. */
  readonly version: string;
  /** The nodes that run pods of the site. */
  readonly nodes: readonly RecordedNode[];
  /** The objects of every release that the cluster has. */
  readonly objects: readonly RecordedObject[];
}

/** A node; only its name if the account may not read nodes. */
export interface RecordedNode {
  readonly name: string;
  readonly kubelet?: string;
  readonly runtime?: string;
  /** Its devices by resource name, such as `nvidia.com/gpu`. */
  readonly devices?: Readonly<Record<string, number>>;
}

export interface RecordedObject {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly resourceVersion: string;
  /** SHA-256 of the canonical JSON of the object in the generation. */
  readonly digest: Digest;
}

export const clusterRecord: z.ZodType<ClusterRecord> = field.exact(
  z.strictObject({
    uid: field.line(128).exactOptional(),
    version: field.line(128),
    nodes: z
      .array(
        z.strictObject({
          name: field.line(253),
          kubelet: field.line(128).exactOptional(),
          runtime: field.line(128).exactOptional(),
          devices: z.record(z.string().max(317), z.number().min(0)).exactOptional(),
        }),
      )
      .max(10_000),
    objects: z
      .array(
        z.strictObject({
          kind: field.line(63),
          namespace: field.line(63).exactOptional(),
          name: field.line(253),
          resourceVersion: field.line(128),
          digest: field.digest,
        }),
      )
      .max(100_000),
  }),
);

/** What probe pods showed of the cluster of a site. */
export interface ClusterProof {
  readonly schema: 'stowage/cluster-proof/v1';
  /** The uid of the namespace kube-system, or the address of the API server for an account that may not read it. */
  readonly cluster: string;
  /** Whether the network plugin enforces NetworkPolicies, by the direction of connections as seen from a pod with one. */
  readonly networkPolicy?: {
    readonly ingress: boolean;
    readonly egress: boolean;
    readonly at: string;
  };
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

const schema: z.ZodType<ClusterProof> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/cluster-proof/v1'),
    cluster: field.line(512),
    networkPolicy: z
      .strictObject({ ingress: z.boolean(), egress: z.boolean(), at: field.moment })
      .exactOptional(),
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
