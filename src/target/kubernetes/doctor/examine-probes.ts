import { StowageError } from '../../../core/error.ts';
import { MIB } from '../../../core/limits.ts';
import type { Bundle } from '../../../format/bundle.ts';
import type { BundleImage } from '../../../format/bundled-content.ts';
import { momentOf } from '../../../format/field.ts';
import type { Finding } from '../../target.ts';
import type { Cluster } from '../api/cluster.ts';
import { carReference, imageReference } from '../content.ts';
import { REGISTRY_SECRET } from '../render.ts';
import type { StartFailure } from '../start-failure.ts';
import { type ClusterToExamine, finding, someOf } from './cluster-finding.ts';
import { ProofFile } from './cluster-proof.ts';
import { type PolicyResult, probePolicy } from './policy-probe.ts';
import { type ProbePlace, removeLeftProbes, withProbePlace } from './probe-place.ts';
import {
  type PullResult,
  probeImageVolume,
  probeTrust,
  type Shown,
  type VolumeResult,
} from './probes.ts';

/** The largest model that is pulled only to show that it can be mounted. */
const MAX_CAR_BYTES: number = 256 * MIB;
const PULL_SECONDS = 240;
/** The nodes that are asked whether they trust the registry. */
const MAX_NODES = 20;
const CHECKS = {
  pull: 'image pull',
  trust: 'certificate of the registry',
  volume: 'image volumes',
  policy: 'NetworkPolicy',
} as const;

interface Probes {
  readonly cluster: Cluster;
  readonly input: ClusterToExamine;
  /** The nodes that are ready; none if the account may not read them. */
  readonly nodes: readonly string[];
  /** The folder of the site. */
  readonly root: string;
}

/** Every check that needs a pod in the cluster. What cannot be tried is not proven, with the reason. */
export async function examineProbes(probes: Probes): Promise<Finding[]> {
  const { cluster, input } = probes;
  const { siteId: site, bundles, settings, platform, signal } = input;
  if (site === undefined) return unproven('nothing was imported at this site yet');
  const { namespace } = settings;
  const request = { cluster, site, settings, ...(namespace === undefined ? {} : { namespace }) };
  const chosen = imageOf(bundles);
  try {
    if (chosen === undefined) {
      await removeLeftProbes(request, signal);
      return unproven(
        'no release with an image was imported, so there is nothing that a pod can run',
      );
    }
    const credentials = await input.ownSecret(REGISTRY_SECRET);
    return await withProbePlace(
      { ...request, platform, ...(credentials === undefined ? {} : { credentials }) },
      (place) => examineIn(place, chosen, probes),
      signal,
    );
  } catch (error) {
    if (!(error instanceof StowageError) || error.code === 'interrupted') throw error;
    return unproven(error.found ?? error.message);
  }
}

async function examineIn(
  place: ProbePlace,
  chosen: ChosenImage,
  { cluster, input, nodes, root }: Probes,
): Promise<Finding[]> {
  const { signal, now } = input;
  const findings: Finding[] = [];
  const image = imageReference(chosen.image, place.platform, placeOf(chosen, place));
  const volume = await volumeOf(chosen, place, input);
  const mounted = await probeImageVolume(place, { image, ...volume }, PULL_SECONDS, signal);
  findings.push(
    pullFinding(image, mounted),
    ...(await trustFindings(place, nodes, mounted, signal)),
  );
  if (place.settings.weights === 'auto' || place.settings.weights === 'image-volume')
    findings.push(volumeFinding(mounted));
  if (mounted.shown?.pull.result !== 'pulled')
    return [...findings, ...unproven('the image of the probe was not pulled', ['policy'])];
  const policy = await probePolicy(place, image, signal);
  if (policy.unproven !== undefined) return [...findings, ...unproven(policy.unproven, ['policy'])];
  const { ingress, egress } = policy.shown;
  const proof = new ProofFile(root, cluster, signal);
  await proof.add({ networkPolicy: { ingress, egress, at: momentOf(now()) } });
  return [...findings, policyFinding(policy.shown)];
}

/** What two clients and a server showed: a policy denied what one client sends, and another what the server receives. */
export function policyFinding({ ingress, egress, nodes }: PolicyResult): Finding {
  const tried = `tried with a policy for each direction, between pods on ${nodes.join(' and ')}`;
  if (ingress && egress)
    return finding(CHECKS.policy, 'right', `enforced in both directions: ${tried}`);
  const open = [
    ...(ingress ? [] : ['every pod of the cluster can reach the services']),
    ...(egress ? [] : ['the services can connect to any place']),
  ];
  const enforced = ingress
    ? 'enforced for incoming connections only'
    : egress
      ? 'enforced for outgoing connections only'
      : 'not enforced';
  return finding(
    CHECKS.policy,
    'doubt',
    `${enforced}: ${tried}`,
    `${open.join(', and ')}: ask the owner of the cluster for a network plugin that enforces NetworkPolicies in both directions`,
  );
}

interface ChosenImage {
  readonly bundle: Bundle;
  readonly image: BundleImage;
}

/** The image of a service; that of the newest release. */
function imageOf(bundles: readonly Bundle[]): ChosenImage | undefined {
  for (const bundle of bundles.toReversed()) {
    const used = new Set(bundle.services.map((each) => each.image));
    const image = bundle.images.find(({ name }) => used.has(name));
    if (image !== undefined) return { bundle, image };
  }
  return undefined;
}

function placeOf({ bundle }: ChosenImage, { settings }: ProbePlace) {
  return { release: bundle.name, images: settings.images };
}

/** A small model as an image, or else the image that the pod has anyway. */
async function volumeOf(
  chosen: ChosenImage,
  place: ProbePlace,
  { carOf }: ClusterToExamine,
): Promise<{ volume: string; subPath?: string }> {
  const { bundle, image } = chosen;
  const bytes = ({ files }: Bundle['models'][number]): number =>
    files.reduce((sum, { size }) => sum + size, 0);
  const [model] = bundle.models.toSorted((a, b) => bytes(a) - bytes(b));
  if (model === undefined || bytes(model) > MAX_CAR_BYTES)
    return { volume: imageReference(image, place.platform, placeOf(chosen, place)) };
  const digest = await carOf(bundle, model);
  return { volume: carReference(model.name, digest, placeOf(chosen, place)), subPath: 'models' };
}

function pullFinding(image: string, mounted: Shown<VolumeResult>): Finding {
  if (mounted.unproven !== undefined) return unprovenFinding('pull', mounted.unproven);
  const { pull } = mounted.shown;
  if (pull.result === 'failed')
    return finding(
      CHECKS.pull,
      'wrong',
      `${pull.failure.found}, on node ${pull.node}`,
      pull.failure.hint,
    );
  if (pull.result === 'pulled')
    return finding(CHECKS.pull, 'right', `node ${pull.node} pulled ${image}`);
  return unprovenFinding('pull', `node ${pull.node} still pulls ${image} after ${PULL_SECONDS} s`);
}

function volumeFinding(mounted: Shown<VolumeResult>): Finding {
  const hint =
    'set kubernetes.weights to volume or local in site.yaml, or ask the owner of the cluster for Kubernetes 1.35 or later with containerd 2.1 or later, or CRI-O';
  if (mounted.unproven !== undefined) return unprovenFinding('volume', mounted.unproven);
  const { pull, content, message } = mounted.shown;
  if (pull.result !== 'pulled' || content === undefined)
    return unprovenFinding('volume', 'the image was not pulled');
  switch (content) {
    case 'some':
      return finding(CHECKS.volume, 'right', `mounted and read on node ${pull.node}`);
    case 'unread':
      return unprovenFinding(
        'volume',
        `mounted on node ${pull.node}, but the image has no program that could read it`,
      );
    case 'none':
      return finding(CHECKS.volume, 'wrong', `mounted empty on node ${pull.node}`, hint);
    case 'dropped':
      return finding(
        CHECKS.volume,
        'wrong',
        'the API server drops them: its feature gate ImageVolume is off',
        hint,
      );
    case 'failed':
      return finding(CHECKS.volume, 'wrong', `node ${pull.node}: ${message ?? ''}`, hint);
  }
}

/** Each node asks the registry for an image that does not exist; with mirrors, it would ask another registry next. */
async function trustFindings(
  place: ProbePlace,
  nodes: readonly string[],
  mounted: Shown<VolumeResult>,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { from, registry } = place.settings.images;
  const pull: PullResult | undefined = mounted.shown?.pull;
  if (from === 'mirror' || nodes.length === 0) {
    if (pull?.result === 'pulled')
      return [finding(CHECKS.trust, 'right', `trusted by node ${pull.node}`)];
    return [unprovenFinding('trust', 'no image was pulled')];
  }
  const asked = nodes.slice(0, MAX_NODES);
  const results = await Promise.all(
    asked.map((node, index) =>
      probeTrust(place, { node, part: `node-${index}`, registry }, signal),
    ),
  );
  const failed = asked.flatMap((node, index) => {
    const failure = results[index]?.shown;
    return failure === undefined || failure === 'trusted' ? [] : [{ node, failure }];
  });
  const trusted = asked.filter((_, index) => results[index]?.shown === 'trusted');
  const others =
    nodes.length > asked.length ? `; the first ${asked.length} of ${nodes.length}` : '';
  const [first] = failed;
  if (first !== undefined) return [untrusted(failed, first.failure)];
  const missing = results.find(({ unproven: why }) => why !== undefined)?.unproven;
  if (missing !== undefined) return [unprovenFinding('trust', missing)];
  return [finding(CHECKS.trust, 'right', `trusted by ${someOf(trusted)}${others}`)];
}

function untrusted(
  failed: readonly { readonly node: string; readonly failure: StartFailure }[],
  { hint }: StartFailure,
): Finding {
  const found = failed.map(({ node, failure }) => `${node}: ${failure.found}`);
  return finding(CHECKS.trust, 'wrong', someOf(found), hint);
}

function unproven(
  why: string,
  which: readonly (keyof typeof CHECKS)[] = ['pull', 'trust', 'volume', 'policy'],
): Finding[] {
  return which.map((each) => unprovenFinding(each, why));
}

function unprovenFinding(check: keyof typeof CHECKS, why: string): Finding {
  return finding(CHECKS[check], 'doubt', `not proven: ${why}`);
}
