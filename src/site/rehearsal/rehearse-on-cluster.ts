import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readIndexes } from '../../bundle/read-index.ts';
import type { Context } from '../../core/context.ts';
import { StowageError } from '../../core/error.ts';
import type { TlsFiles } from '../../depot/listener.ts';
import { type Depot, startDepot } from '../../depot/server.ts';
import { parseTokens } from '../../depot/tokens.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { KubernetesSite } from '../../format/kubernetes-site.ts';
import type { Rehearsal } from '../../format/rehearsal.ts';
import { writeAtomic } from '../../io/file.ts';
import type { Environment } from '../../target/host/command.ts';
import { hostPlatform } from '../../target/host/platform.ts';
import { Cluster } from '../../target/kubernetes/api/cluster.ts';
import { openConnection } from '../../target/kubernetes/api/connection.ts';
import { imageReference } from '../../target/kubernetes/content.ts';
import { probePolicy } from '../../target/kubernetes/doctor/policy-probe.ts';
import { type ProbePlace, withProbePlace } from '../../target/kubernetes/doctor/probe-place.ts';
import { createKubernetesTarget } from '../../target/kubernetes/kubernetes.ts';
import { ownNamespace } from '../../target/kubernetes/render.ts';
import {
  rehearsalPrefix,
  removeKilledRehearsals,
  untilKilledSeemDead,
  withRehearsalPlace,
} from '../../target/kubernetes/sealed/rehearsal-place.ts';
import { startSinkPod } from '../../target/kubernetes/sealed/sink-pod.ts';
import { watchPods } from '../../target/kubernetes/sealed/watch-pods.ts';
import { withSite } from '../applying/change.ts';
import { installImported } from '../applying/change-release.ts';
import { SiteCatalog } from '../catalog/site-catalog.ts';
import { importBundle } from '../importing/import.ts';
import type { SiteContext, SiteFolder } from '../site-folder.ts';
import { groupAttempts } from './attempts.ts';
import { sinkAttempts, unseenOnCluster } from './cluster-facts.ts';
import { serviceFacts } from './facts.ts';
import { signedBeside } from './linked-bundle.ts';
import { rehearsalDocument } from './rehearsal-document.ts';
import { requireServices } from './rehearse.ts';
import { runRelease } from './run-release.ts';
import { makeThrowawaySite, type RehearsalValues } from './throwaway-site.ts';

export interface ClusterRehearsalOptions extends Context {
  readonly env: Environment;
  /** An empty folder with room for the bundle. */
  readonly work: string;
  /** How long to watch the services after the last question, in seconds. */
  readonly watchSeconds: number;
  readonly values: RehearsalValues;
  /** The cluster, as `site.yaml` names it. */
  readonly kubernetes: KubernetesSite;
  /** Where the depot of the rehearsal listens, for the nodes. */
  readonly depot: { readonly address: string; readonly port: number; readonly tls?: TlsFiles };
}

const DEPOT_USER = 'rehearsal';

/**
 * Installs a bundle at a throw-away site whose target is a cluster, in namespaces of its own, asks it what its gates and evaluations ask,
 * and says what its services tried to reach. All of it is removed at the end.
 * @param folders of the bundle, which need not be signed; nothing is written there
 * @throws StowageError `rehearsal-unsupported`, `site-invalid`, `host-unfit`, `engine-failed`, and what import and planning throw; what a
 * gate or an evaluation finds is in the result
 */
export async function rehearseOnCluster(
  folders: readonly string[],
  options: ClusterRehearsalOptions,
): Promise<Rehearsal> {
  const { work, signal, now, env } = options;
  const began = performance.now();
  const { bundle } = await readIndexes(folders);
  requireServices(bundle);
  requireOwnNetworks(bundle);
  const token = randomBytes(24).toString('base64url');
  const kubernetes = await sealedSettings(options, token);
  const cluster = new Cluster(await openConnection(kubernetes, env));
  const others = await removeKilledRehearsals(cluster, signal);
  const site = await makeThrowawaySite(work, bundle, {
    ...{ ...options.values, kubernetes, target: 'kubernetes', unprivileged: false },
  });
  const target = createKubernetesTarget({ env, root: site.root, settings: () => site.site() });
  const context: SiteContext = { ...options, site, target };
  const { folders: signed, trust } = await signedBeside(folders, work, now());
  await withSite(context, (ledger) => importBundle(signed, ledger, { ...context, trust }));
  const depot = await serve(site, token, options);
  try {
    const request = {
      ...{ cluster, site: await site.id(), settings: kubernetes, platform: hostPlatform() },
      credentials: Buffer.from(`${DEPOT_USER}:${token}`),
    };
    const images = imagesOf(bundle, request);
    return await withRehearsalPlace(
      request,
      async (place) => {
        const leaks = await leaksOf(images, (image) =>
          withProbePlace(request, (probes) => probePolicy(probes, image, signal), signal),
        );
        return inPlace(place, bundle, { options, site, images, leaks });
      },
      signal,
    );
  } finally {
    await depot.close();
    if (others > 0 && !signal.aborted) {
      await untilKilledSeemDead(began, signal);
      await removeKilledRehearsals(cluster, signal);
    }
  }
}

interface Prepared {
  readonly options: ClusterRehearsalOptions;
  readonly site: SiteFolder;
  /** Of the services. */
  readonly images: readonly string[];
  /** Whether a connection to an address without a name leaves the pods, or why that is not known. */
  readonly leaks: boolean | string;
}

/** Tries images of the release until one has a program that can show it. */
async function leaksOf(
  images: readonly string[],
  probe: (image: string) => ReturnType<typeof probePolicy>,
): Promise<Prepared['leaks']> {
  let unproven = '';
  for (const image of images) {
    const found = await probe(image);
    if (found.unproven === undefined) return !found.shown.egress;
    ({ unproven } = found);
  }
  return unproven;
}

async function inPlace(
  place: ProbePlace,
  bundle: Bundle,
  { options, site, images, leaks }: Prepared,
): Promise<Rehearsal> {
  const { signal, now, env } = options;
  const { cluster, namespace: sinkNamespace } = place;
  const services = bundle.services.map(({ name }) => name);
  const sink = await startSinkPod(place, { images, peers: services }, signal);
  const seal = { address: sink.address, namespace: sinkNamespace };
  const target = createKubernetesTarget({
    ...{ env, root: site.root, settings: () => site.site(), seal },
  });
  const namespace = ownNamespace(place.settings, bundle.name);
  const watch = watchPods(cluster, { namespace, site: place.site, services }, signal);
  try {
    const context: SiteContext = { ...options, site, target };
    const { name, version } = bundle;
    const ran = await runRelease(
      () => installImported(`${name}@${version}`, context),
      context,
      options.watchSeconds,
    );
    const watched = await watch.stop();
    const { lines, more } = await sink.stop();
    const attempts = groupAttempts(
      sinkAttempts(lines, (address) => watched.services.get(address)),
      bundle.knownEgress ?? [],
    );
    const { engine, version: engineVersion } = await target.probe(signal);
    const { peakBytes } = watched;
    const rehearsed = {
      ...{ ran, attempts, target: 'kubernetes' as const },
      engine: { name: engine, version: engineVersion, rootless: false },
      services: services.map((each) => {
        const peakMemoryBytes = watched.peaks.get(each);
        const used = {
          processes: [],
          ...(peakMemoryBytes === undefined ? {} : { peakMemoryBytes }),
        };
        return serviceFacts(each, { ran, inspected: new Map(), watched: used });
      }),
      ...(peakBytes === undefined ? {} : { peakMemoryBytes: peakBytes }),
      unseen: unseenOnCluster(bundle, {
        ...{ ran, watched, leaks, more, ports: sink.ports },
      }),
    };
    return rehearsalDocument(bundle, rehearsed, now());
  } finally {
    await watch.stop();
  }
}

/** The settings of the throw-away site: the same cluster, with namespaces, ports and a depot of its own. */
async function sealedSettings(
  { kubernetes, work }: ClusterRehearsalOptions,
  token: string,
): Promise<KubernetesSite> {
  const { namespace: _, claim, images, ...rest } = kubernetes;
  const { pullSecret: __, ...registry } = images;
  if (images.from !== 'direct')
    throw new StowageError('rehearsal-unsupported', 'nodes pull a rehearsal from its own depot', {
      expected: 'kubernetes.images.from: direct in the file of --settings',
      found: images.from,
      hint: 'set images.from to direct, and images.registry to an address of this machine that the nodes reach: the depot of the rehearsal listens there',
    });
  if (claim !== undefined && kubernetes.storageClass === undefined)
    throw new StowageError(
      'rehearsal-unsupported',
      'a rehearsal does not write to existing claims',
      {
        expected: 'kubernetes.storageClass in the file of --settings',
        found: `claim: ${claim}`,
        hint: 'set storageClass in place of claim, or weights to image-volume',
      },
    );
  const file = join(work, 'depot-token');
  await writeAtomic(file, Buffer.from(`${DEPOT_USER}:${token}\n`), 0o600);
  return {
    ...rest,
    namespacePrefix: rehearsalPrefix(randomBytes(4).toString('hex')),
    images: { ...registry, prefix: '', credentials: { file } },
    ...{ clients: [], service: 'ClusterIP', clusterScoped: false },
  };
}

/** Policies do not apply in the network of a node, and its ports are those of production. @throws StowageError `rehearsal-unsupported` */
function requireOwnNetworks({ name, version, services }: Bundle): void {
  const found = services.filter(({ network }) => network === 'host').map((each) => each.name);
  if (found.length === 0) return;
  throw new StowageError(
    'rehearsal-unsupported',
    `${name} ${version} uses the network of its node`,
    {
      expected: 'services with a network of their own',
      found: `network: host of ${found.join(', ')}`,
      hint: 'rehearse on podman or docker, where the network of the host is sealed as well',
    },
  );
}

async function serve(
  site: SiteFolder,
  token: string,
  { depot: { address, port, tls }, emit }: ClusterRehearsalOptions,
): Promise<Depot> {
  const warn = (message: string): void => emit({ type: 'warning', message });
  const catalog = await SiteCatalog.open({
    ...{ site, wanted: [] },
    onError: (error) => warn(error instanceof Error ? error.message : String(error)),
    onRefused: ({ name, error }) => warn(`${name} cannot be served: ${error.message}`),
  });
  const tokens = parseTokens(`${DEPOT_USER}:${token}\n`);
  return startDepot(catalog, { address, port, tls, tokens });
}

function imagesOf(
  bundle: Bundle,
  { platform, settings }: Pick<ProbePlace, 'platform' | 'settings'>,
): string[] {
  const used = new Set(bundle.services.map(({ image }) => image));
  const place = { release: bundle.name, images: settings.images };
  return bundle.images
    .filter(({ name }) => used.has(name))
    .map((image) => imageReference(image, platform, place));
}
