import { StowageError } from '../../core/error.ts';
import type { KubernetesSite } from '../../format/kubernetes-site.ts';
import { fillNodes, workerOf } from '../../format/placement.ts';
import { serverProfiles } from '../../format/server-kind.ts';
import type { Health, Service } from '../../format/service.ts';
import { adapterArguments, offlineEnvironment, type RenderInput } from '../render-input.ts';
import { contentMounts, imageReference, type Mounted, settingsOf } from './content.ts';
import { type Owner, placementOf } from './labels.ts';
import { byteQuantity, cpuQuantity } from './quantity.ts';
import { SECRET_KEY } from './secrets.ts';
import { LEADER_VARIABLE, RANK_VARIABLE } from './workload-kinds.ts';

type Json = Readonly<Record<string, unknown>>;

/** What a node sets aside for a service that does not say. */
const LEAST_CPUS = 0.1;
const PROBE_SECONDS = 2;
const MAX_FAILURES = 2 ** 31 - 1;
/** As on a host: a server that ignores SIGTERM is killed after this time. */
const STOP_SECONDS = 30;
const OWNER_AND_GROUP = 0o440;
/** Folders that servers write to; the root is read-only. */
const WRITABLE = ['/run', '/tmp', '/var/tmp'];
/** The name of a pod is in its own `/etc/hosts`, with its address. */
const LEADER: Json = {
  name: LEADER_VARIABLE,
  valueFrom: { fieldRef: { fieldPath: 'metadata.name' } },
};

/** What a pod needs beside its service. */
export interface PodContext {
  readonly input: RenderInput;
  readonly owner: Owner;
  /** The name of the ConfigMap with the rendered templates. */
  readonly texts: string;
  /** The pull secret. */
  readonly pullSecret?: string;
}

/** The program of a pod. */
interface PodProgram {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Variables that come before the others, which may refer to them. */
  readonly first: readonly Json[];
  /** Placeholders replaced, and everything else literal. */
  readonly write: (text: string) => string;
}

/** The pod of a worker, for a service that spans several nodes: only its leader answers requests. */
export function workerPodSpec(service: Service, context: PodContext): Json | undefined {
  const worker = workerOf(service);
  if (worker === undefined) return undefined;
  const { health: _, ...rest } = worker;
  const write = writer(service, context, {
    ...{ rank: `$(${RANK_VARIABLE})`, leader: service.name },
  });
  return podOf({ ...rest, ports: [] }, context, { ...worker, first: [], write });
}

/**
 * The pod of a service that answers requests: PodSecurity `restricted`, a read-only root, no token, no service links, memory-backed `/tmp` and `/dev/shm`, requests equal to limits.
 * @throws StowageError `site-invalid`, `document-invalid`
 */
export function podSpec(service: Service, context: PodContext): Json {
  const adapted = adapterArguments(service, context.input.bundle);
  return podOf(service, context, {
    args: [...service.args, ...adapted.args],
    env: { ...service.env, ...adapted.env },
    first: service.nodes === undefined ? [] : [LEADER],
    write: writer(service, context, { rank: '0', leader: `$(${LEADER_VARIABLE})` }),
  });
}

/** How a text of a service gets into its pods. */
function writer(
  { nodes }: Service,
  { input: { fill } }: PodContext,
  own: { readonly rank: string; readonly leader: string },
): (text: string) => string {
  const plain = (text: string): string => literal(fill(text));
  if (nodes === undefined) return plain;
  return (text) => fillNodes(text, { count: String(nodes.count), ...own }, plain);
}

function podOf(service: Service, context: PodContext, program: PodProgram): Json {
  const { input, pullSecret } = context;
  const settings = settingsOf(input);
  const mounted = mountsOf(service, context);
  const volumes = new Map(mounted.map(({ volume }) => [volume.name, volume]));
  const { runtimeClass, priorityClass } = settings;
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: STOP_SECONDS,
    // Peers are in /etc/hosts, and there is nothing else to resolve: what tries fails at once instead of waiting.
    dnsPolicy: 'None',
    dnsConfig: { nameservers: ['127.0.0.1'] },
    ...(service.network === 'host' ? { hostNetwork: true } : {}),
    ...(pullSecret === undefined ? {} : { imagePullSecrets: [{ name: pullSecret }] }),
    ...placementOf(settings, input.platform),
    ...(runtimeClass === undefined ? {} : { runtimeClassName: runtimeClass }),
    ...(priorityClass === undefined ? {} : { priorityClassName: priorityClass }),
    securityContext: podSecurity(service, settings),
    containers: [container(service, { mounted, program }, context)],
    volumes: [...volumes.values()],
  };
}

function container(
  service: Service,
  { mounted, program }: { readonly mounted: readonly Mounted[]; readonly program: PodProgram },
  { input, owner }: PodContext,
): Json {
  const { bundle, platform } = input;
  const { name, entrypoint, health, ports, capabilities } = service;
  const { args, write } = program;
  const image = bundle.images.find((each) => each.name === service.image);
  if (image === undefined)
    throw new Error(`image ${service.image} passed the schema but does not exist`);
  const variables = { ...offlineEnvironment, ...program.env };
  const place = { release: owner.release, images: settingsOf(input).images };
  return {
    name,
    image: imageReference(image, platform, place),
    imagePullPolicy: 'IfNotPresent',
    ...(entrypoint === undefined ? {} : { command: [literal(entrypoint)] }),
    ...(args.length === 0 ? {} : { args: args.map(write) }),
    env: [
      ...program.first,
      ...Object.entries(variables)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, value]) => ({ name: key, value: write(value) })),
    ],
    ports: ports.map((port) => ({
      name: portName(port.name),
      containerPort: port.container,
      protocol: 'TCP',
    })),
    resources: resources(service, input),
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: service.readOnlyRoot,
      capabilities: {
        drop: ['ALL'],
        ...(capabilities.length === 0
          ? {}
          : { add: capabilities.map((each) => each.replace(/^CAP_/, '')) }),
      },
    },
    ...(health === undefined ? {} : probes(health, service)),
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: mounted.map(({ mount }) => mount),
  };
}

/** No liveness probe: a server under load answers late, and a restart loads the model again. */
function probes(health: Health, { ports }: Service): Json {
  const path = health.path ?? serverProfiles[health.server].readyPath;
  const port = ports.find((each) => each.name === health.port)?.container;
  const handler =
    health.command === undefined
      ? { httpGet: { path, port, scheme: 'HTTP' } }
      : { exec: { command: health.command.map(literal) } };
  const probe = { ...handler, periodSeconds: PROBE_SECONDS, timeoutSeconds: 5 };
  const failureThreshold = Math.min(
    MAX_FAILURES,
    Math.ceil(health.startupLimitSeconds / PROBE_SECONDS),
  );
  return {
    startupProbe: { ...probe, failureThreshold },
    readinessProbe: { ...probe, failureThreshold: 3 },
  };
}

/** Without a request of processors, quotas refuse a pod, and a node that is busy gives it next to nothing. */
function resources(service: Service, input: RenderInput): Json {
  const { memory, cpus, requests = {} } = service;
  const limits = {
    ...(memory === undefined ? {} : { memory: byteQuantity(memory) }),
    ...(cpus === undefined ? {} : { cpu: cpuQuantity(cpus) }),
    ...gpuResource(service, input),
  };
  return {
    requests: {
      cpu: cpuQuantity(requests.cpus ?? cpus ?? LEAST_CPUS),
      ...(requests.memory === undefined ? {} : { memory: byteQuantity(requests.memory) }),
      ...withoutCpu(limits),
    },
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  };
}

function withoutCpu({ cpu: _, ...rest }: Record<string, string>): Record<string, string> {
  return rest;
}

function gpuResource({ name, gpus }: Service, input: RenderInput): Record<string, string> {
  if (gpus === undefined) return {};
  const need = input.bundle.requires.host?.gpu;
  const count = gpus === 'all' ? need?.count : gpus;
  if (count === undefined)
    throw new StowageError('site-invalid', `service ${name} requires all GPUs of a host`, {
      expected: 'a number of GPUs: a cluster shares its nodes',
      found: 'gpus: all, and no requires.host.gpu.count',
      hint: 'ask the release engineer to set gpus of the service to a number, or requires.host.gpu.count',
    });
  return { [settingsOf(input).gpus[need?.vendor ?? 'nvidia']]: String(count) };
}

/** The security context of a pod with a service's user. */
export function podSecurity({ user, network }: Service, settings: KubernetesSite): Json {
  const common = {
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
    ...(network === 'host' ? { supplementalGroups: [] } : {}),
  };
  if (user === 'image' || settings.user === 'namespace') return common;
  const [uid = 0, gid = 0] = user.split(':').map(Number);
  return {
    ...common,
    ...(uid === 0 ? { runAsNonRoot: false } : {}),
    ...{ runAsUser: uid, runAsGroup: gid, fsGroup: gid },
  };
}

function mountsOf(service: Service, context: PodContext): Mounted[] {
  const { input, owner } = context;
  const mounted = [
    ...contentMounts(service, input, owner),
    ...service.mounts.flatMap((mount, index): Mounted[] => {
      if ('memory' in mount) return [memoryMount(`memory-${index}`, mount.path, mount.memory)];
      if (!('template' in mount)) return [];
      const text = input.rendered.get(mount.template);
      if (text === undefined) throw new Error(`template ${mount.template} was not rendered`);
      return [
        {
          volume: { name: 'texts', configMap: { name: context.texts } },
          mount: { name: 'texts', mountPath: mount.path, subPath: text.sha256, readOnly: true },
        },
      ];
    }),
    ...service.secrets.map(({ secret, path }, index): Mounted => {
      const name = input.secretNames.get(secret);
      if (name === undefined) throw new Error(`secret ${secret} passed the schema but has no name`);
      const volume = `secret-${index}`;
      return {
        volume: { name: volume, secret: { secretName: name, defaultMode: OWNER_AND_GROUP } },
        mount: { name: volume, mountPath: path, subPath: SECRET_KEY, readOnly: true },
      };
    }),
  ];
  const paths = new Set(mounted.map(({ mount }) => mount['mountPath']));
  const { sharedMemory, ipc } = service;
  // Pods do not share the memory of their node; without a size, they have as much as a host would give.
  if ((sharedMemory !== undefined || ipc === 'host') && !paths.has('/dev/shm'))
    mounted.push(memoryMount('shared-memory', '/dev/shm', sharedMemory));
  for (const path of service.readOnlyRoot ? WRITABLE : [])
    if (!paths.has(path)) mounted.unshift(memoryMount(path.slice(1).replace('/', '-'), path));
  return mounted;
}

/** Without a size, the memory limit of the pod is the limit. */
function memoryMount(name: string, path: string, bytes?: number): Mounted {
  const limit = bytes === undefined ? {} : { sizeLimit: byteQuantity(bytes) };
  return {
    volume: { name, emptyDir: { medium: 'Memory', ...limit } },
    mount: { name, mountPath: path },
  };
}

/** Kubernetes replaces `$(NAME)` in arguments and values; the manifest means it literally. */
function literal(text: string): string {
  return text.replaceAll('$(', () => '$$(');
}

/** IANA_SVC_NAME: at most 15 characters with a letter. */
export function portName(name: string): string {
  const short = name.slice(0, 15).replace(/-+$/, '');
  return /[a-z]/.test(short) ? short : `p-${short}`.slice(0, 15).replace(/-+$/, '');
}
