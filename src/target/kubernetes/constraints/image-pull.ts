import { StowageError } from '../../../core/error.ts';
import { MIB } from '../../../core/limits.ts';
import { momentOf } from '../../../format/field.ts';
import type { KubernetesWorkload } from '../../../format/kubernetes.ts';
import type { Constraint } from '../../../format/plan.ts';
import { type Arrival, arrivals, releaseText } from '../../change.ts';
import { ProofFile } from '../doctor/cluster-proof.ts';
import { type ProbeRequest, withProbePlace } from '../doctor/probe-place.ts';
import { type PullResult, probePull, type Shown } from '../doctor/probes.ts';
import { namespaceObject } from '../namespace.ts';
import { everyObject, setsOf } from '../objects/sets.ts';
import { REGISTRY_SECRET } from '../render.ts';
import { clusterWorkload, placeOf } from '../workload.ts';
import { contentImages, imagesOf, templateImages } from '../workload-kinds.ts';
import type { ClusterConstraintInput } from './constraint.ts';

/** Certificates, credentials and missing images show within seconds; a large image is pulled for longer. */
const PULL_SECONDS = 20;
/** A larger model is not pulled only to try it. */
const MAX_CONTENT_BYTES: number = 256 * MIB;
/** How long a pull counts as proof. */
const VALID_MS = 24 * 3_600_000;

interface Tried {
  readonly workload: KubernetesWorkload;
  readonly images: readonly string[];
  /** Whether models are too large to be tried. */
  readonly partly: boolean;
}

/** A node pulls the images of each arriving release, with its certificate authorities and credentials: really tried in a pod. */
export async function imagePull(input: ClusterConstraintInput): Promise<Constraint[]> {
  const constraints: Constraint[] = [];
  const proof = new ProofFile(input.root, input.cluster, input.signal);
  for (const arrival of arrivals(input.change)) {
    const tried = imagesToTry(arrival);
    if (tried === undefined) continue;
    const needs = `a node pulls the images of ${releaseText(arrival.release)}`;
    const { satisfied, found } = await pulled(tried, proof, input);
    const more = tried.partly ? '; models of more than 256 MiB were not tried' : '';
    constraints.push({ rule: 'image-pull', satisfied, needs, found: `${found}${more}` });
  }
  return constraints;
}

function imagesToTry({ release, bundle }: Arrival): Tried | undefined {
  const workload = clusterWorkload(release);
  if (workload === undefined) return undefined;
  const large = contentImages(bundle).filter(({ size }) => size > MAX_CONTENT_BYTES);
  const all = new Set([
    ...workload.services.flatMap(({ deployment }) => imagesOf(deployment)),
    ...setsOf(workload).flatMap(everyObject).flatMap(templateImages),
  ]);
  if (all.size === 0) return undefined;
  const images = [...all].filter(
    (each) => !large.some(({ name }) => each.includes(`/${name}-car@`)),
  );
  return { workload, images, partly: images.length < all.size };
}

async function pulled(
  { workload, images }: Tried,
  proof: ProofFile,
  input: ClusterConstraintInput,
): Promise<{ readonly satisfied: boolean; readonly found: string }> {
  const { now } = input;
  const secret = workload.pullSecret?.name ?? '';
  const recent = (await proof.read()).pulls.filter(
    (each) => each.secret === secret && now.getTime() - Date.parse(each.at) < VALID_MS,
  );
  const unknown = images.filter((image) => !recent.some((each) => each.image === image));
  if (unknown.length === 0) {
    const node = recent.find(({ image }) => images.includes(image))?.node ?? '';
    return { satisfied: true, found: `node ${node} pulled them within the last day` };
  }
  const { shown, unproven } = await tryPull(workload, unknown, input);
  if (shown === undefined) return { satisfied: true, found: `not proven: ${unproven}` };
  const { node } = shown;
  if (shown.result === 'failed') {
    const { found, hint } = shown.failure;
    return { satisfied: false, found: `node ${node}: ${found}; ${hint}` };
  }
  if (shown.result === 'pulling')
    return {
      satisfied: true,
      found: `not proven: after ${PULL_SECONDS} s, node ${node} is still pulling ${shown.images.join(', ')}, without a failure so far`,
    };
  const at = momentOf(now);
  await proof.add({ pulls: unknown.map((image) => ({ image, secret, node, at })) });
  return { satisfied: true, found: `node ${node} pulled them` };
}

/** In the namespace of the release if it exists, or else in one that is made for the probe. */
async function tryPull(
  workload: KubernetesWorkload,
  images: readonly string[],
  { cluster, settings: { kubernetes }, ownSecret, platform, signal }: ClusterConstraintInput,
): Promise<Shown<PullResult>> {
  if (kubernetes === undefined) throw new Error('a site with this target has a cluster');
  const place = placeOf(namespaceObject(workload));
  const { object } = workload.ownsNamespace
    ? await cluster.tryGet(place, signal)
    : { object: workload };
  const credentials = await ownSecret?.(REGISTRY_SECRET);
  const request: ProbeRequest = {
    ...{ cluster, platform, site: workload.site, settings: kubernetes },
    ...(object === undefined ? {} : { namespace: workload.namespace }),
    ...(credentials === undefined ? {} : { credentials }),
  };
  try {
    return await withProbePlace(
      request,
      (probePlace) => probePull(probePlace, images, PULL_SECONDS, signal),
      signal,
    );
  } catch (error) {
    if (!(error instanceof StowageError) || error.code === 'interrupted') throw error;
    return { unproven: error.found ?? error.message };
  }
}
