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

/** What is known of a cluster. */
type Known = Pick<ClusterProof, 'networkPolicy' | 'pulls'>;

const NOTHING: Known = { pulls: [] };

/** What probes showed of one cluster, in `cluster-proof.json` of the site's folder. It is no longer valid for another cluster. */
export class ProofFile {
  readonly #path: string;
  readonly #cluster: Cluster;
  readonly #signal: AbortSignal;
  #identity: Promise<string> | undefined;

  constructor(root: string, cluster: Cluster, signal: AbortSignal) {
    this.#path = join(root, 'cluster-proof.json');
    this.#cluster = cluster;
    this.#signal = signal;
  }

  /** What is known; nothing if the file is missing, damaged or about another cluster. */
  async read(): Promise<Known> {
    const proof = await this.#stored();
    return proof !== undefined && proof.cluster === (await this.#about()) ? proof : NOTHING;
  }

  async #stored(): Promise<ClusterProof | undefined> {
    try {
      const bytes = await readIfThere(this.#path, clusterProofKind.maxBytes);
      return bytes === undefined ? undefined : readCanonical(clusterProofKind, bytes);
    } catch (error) {
      if (error instanceof StowageError) return undefined;
      throw error;
    }
  }

  /** Asks the cluster once, and not at all where nothing is stored. */
  #about(): Promise<string> {
    this.#identity ??= clusterUid(this.#cluster, this.#signal).then(
      (uid) => uid ?? this.#cluster.connection.server,
    );
    return this.#identity;
  }

  /** Adds to what is known. Where this user cannot write, the next command probes again. */
  async add({ networkPolicy, pulls = [] }: Partial<ClusterProof>): Promise<void> {
    const before = await this.read();
    const cluster = await this.#about();
    const isReplaced = ({ image, secret }: ClusterProof['pulls'][number]): boolean =>
      pulls.some((each) => each.image === image && each.secret === secret);
    const proof: ClusterProof = {
      ...{ ...before, schema: 'stowage/cluster-proof/v1', cluster },
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
