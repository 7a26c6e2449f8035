import { join } from 'node:path';
import { StowageError } from '../../../core/error.ts';
import { textOf } from '../../../core/json.ts';
import { type ClusterProof, clusterProofKind, MAX_PULLS } from '../../../format/cluster-record.ts';
import { readCanonical, writeCanonical } from '../../../format/document.ts';
import { readIfThere, writeAtomic } from '../../../io/file.ts';
import type { Cluster } from '../api/cluster.ts';
import { metadataOf } from '../pods.ts';

/** The uid of the namespace kube-system, which a cluster has for life; undefined for an account that may not read it. */
export async function clusterUid(
  cluster: Cluster,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { object } = await cluster.tryGet({ kind: 'Namespace', name: 'kube-system' }, signal);
  return object === undefined ? undefined : textOf(metadataOf(object)['uid'], 128);
}

/** What probes showed of one cluster, in `cluster-proof.json` of the site's folder. It is no longer valid for another cluster. */
export class ProofFile {
  readonly #path: string;
  readonly #cluster: string;

  private constructor(path: string, cluster: string) {
    this.#path = path;
    this.#cluster = cluster;
  }

  static async open(root: string, cluster: Cluster, signal: AbortSignal): Promise<ProofFile> {
    const identity = (await clusterUid(cluster, signal)) ?? cluster.connection.server;
    return new ProofFile(join(root, 'cluster-proof.json'), identity);
  }

  /** What is known; nothing if the file is missing, damaged or about another cluster. */
  async read(): Promise<ClusterProof> {
    const nothing: ClusterProof = {
      schema: 'stowage/cluster-proof/v1',
      cluster: this.#cluster,
      pulls: [],
    };
    try {
      const bytes = await readIfThere(this.#path, clusterProofKind.maxBytes);
      if (bytes === undefined) return nothing;
      const known = readCanonical(clusterProofKind, bytes);
      return known.cluster === this.#cluster ? known : nothing;
    } catch (error) {
      if (error instanceof StowageError) return nothing;
      throw error;
    }
  }

  /** Adds to what is known. Where this user cannot write, the next command probes again. */
  async add({ networkPolicy, pulls = [] }: Partial<ClusterProof>): Promise<void> {
    const before = await this.read();
    const isReplaced = ({ image, secret }: ClusterProof['pulls'][number]): boolean =>
      pulls.some((each) => each.image === image && each.secret === secret);
    const proof: ClusterProof = {
      ...before,
      ...(networkPolicy === undefined ? {} : { networkPolicy }),
      pulls: [...before.pulls.filter((each) => !isReplaced(each)), ...pulls].slice(-MAX_PULLS),
    };
    try {
      await writeAtomic(this.#path, writeCanonical(clusterProofKind, proof));
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
    }
  }
}
