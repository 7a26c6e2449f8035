import { setTimeout as sleep } from 'node:timers/promises';
import { StowageError } from '../../../core/error.ts';
import { isIpv6 } from '../../../core/host-address.ts';
import { oneLine } from '../../../core/text.ts';
import { pathOf } from '../api/kinds.ts';
import { type ProbePlace, probeLabels, probeName } from '../doctor/probe-place.ts';
import { createProbePod, type ProbeState, watchProbePod } from '../doctor/probe-pod.ts';
import { isAbsent } from '../doctor/programs.ts';
import { labels } from '../labels.ts';
import { type SinkLine, SinkLog } from './sink-log.ts';
import { READY, sinkPorts, sinkPrograms } from './sink-programs.ts';

const PART = 'sink';
const START_SECONDS = 300;
/** The kubelet ends the sink after this time, even if this command was killed. */
const DEADLINE_SECONDS = 86_400;
const READ_AGAIN_MS = 500;
const POLL_MS = 300;

/** The sink of a rehearsal, in a pod of its own. */
export interface SinkPod {
  /** Its IPv4 address. */
  readonly address: string;
  /** The ports at which it accepts connections. */
  readonly ports: readonly number[];
  /** Reads the rest of what it wrote. @throws StowageError `engine-failed` if it did not run all the time */
  stop(): Promise<{ readonly lines: readonly SinkLine[]; readonly more: number }>;
}

export interface SinkOptions {
  /** Of the release, in the order in which they are tried: each may have a program that can run the sink. */
  readonly images: readonly string[];
  /** The names of the services, which get no address. */
  readonly peers: readonly string[];
}

/**
 * Starts the sink as a pod that opens no connections, and reads what it writes.
 * @throws StowageError `rehearsal-unsupported` if no image of the release can run it, `engine-failed`, `interrupted`
 */
export async function startSinkPod(
  place: ProbePlace,
  options: SinkOptions,
  signal: AbortSignal,
): Promise<SinkPod> {
  await place.cluster.apply(policyOf(place), signal);
  for (const image of options.images) {
    const started = await startWith(image, place, options, signal);
    if (started !== undefined) return started;
    const pod = {
      kind: 'Pod',
      namespace: place.namespace,
      name: probeName(place.site, PART),
    } as const;
    await place.cluster.remove(pod, signal, { atOnce: true });
    while ((await place.cluster.tryGet(pod, signal)).object !== undefined)
      await sleep(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  throw new StowageError('rehearsal-unsupported', 'no image of this release can run the sink', {
    expected: `an image of a service with one of the programs ${sinkPrograms.map(({ name }) => name).join(', ')}`,
    found: `none in ${options.images.join(', ')}`,
    hint: 'rehearse on podman or docker, where the sink needs no image',
  });
}

/** Only the pods of the rehearsal reach the sink, and it reaches nobody. */
function policyOf({ site, namespace }: ProbePlace) {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: probeName(site, PART), namespace, labels: probeLabels(site, PART) },
    spec: {
      podSelector: { matchLabels: probeLabels(site, PART) },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: [{ namespaceSelector: { matchLabels: { [labels.site]: site } } }] }],
    },
  };
}

/** @returns undefined if this image has no program for it */
async function startWith(
  image: string,
  place: ProbePlace,
  { peers }: SinkOptions,
  signal: AbortSignal,
): Promise<SinkPod | undefined> {
  const own = { name: 'OWN', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } };
  const args = ['$(OWN)', peers.join(','), sinkPorts.join(',')];
  const refused = await createProbePod(
    place,
    {
      ...{ part: PART, deadlineSeconds: DEADLINE_SECONDS },
      sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }],
      containers: sinkPrograms.map(({ name, command }) => ({
        ...{ name, image, env: [own] },
        command: [...command, ...args],
      })),
    },
    signal,
  );
  if (refused !== undefined) throw notStarted(refused.message);
  const known = (each: ProbeState['containers'][number]): boolean =>
    each.running || each.ended !== undefined || isAbsent(each);
  let last: ProbeState | undefined;
  const judge = (state: ProbeState): ProbeState | undefined => {
    last = state;
    const { containers } = state;
    return containers.length === sinkPrograms.length && containers.every(known) ? state : undefined;
  };
  const found = await watchProbePod(place, PART, { seconds: START_SECONDS, judge }, signal);
  if (found === undefined) {
    const why = last?.containers.find(({ waiting }) => waiting !== undefined)?.waiting;
    throw notStarted(
      why === undefined
        ? (last?.unscheduled ?? 'it is not running')
        : `${why.reason}: ${why.message}`,
    );
  }
  const running = found.containers.filter((each) => each.running).map(({ name }) => name);
  if (running.length === 0) {
    const ended = found.containers.find((each) => !isAbsent(each))?.ended;
    if (ended === undefined) return undefined;
    throw notStarted(`${ended.reason}: ${ended.message}`);
  }
  const { address = '' } = found;
  if (address === '' || isIpv6(address)) throw notStarted(`its address is ${address || 'unknown'}`);
  return readSink(place, { address, running }, signal);
}

async function readSink(
  { cluster, site, namespace }: ProbePlace,
  { address, running }: { readonly address: string; readonly running: readonly string[] },
  signal: AbortSignal,
): Promise<SinkPod> {
  const path = `${pathOf('Pod', namespace, probeName(site, PART))}/log`;
  const { container, ports } = await untilReady();
  const log = new SinkLog();
  const ended = new AbortController();
  const both = AbortSignal.any([signal, ended.signal]);
  const read = async (): Promise<void> => {
    while (!both.aborted) {
      const query = new URLSearchParams({ container, follow: 'true' });
      log.begin();
      await cluster
        .text(`${path}?${query}`, both, (bytes) => log.add(bytes))
        .catch(() => undefined);
      await sleep(READ_AGAIN_MS, undefined, { signal: both }).catch(() => undefined);
    }
  };
  const reading = read();
  return {
    ...{ address, ports },
    async stop() {
      ended.abort();
      await reading;
      const { text } = await cluster.text(`${path}?${new URLSearchParams({ container })}`, signal);
      log.begin();
      log.add(Buffer.from(text));
      const { object } = await cluster.tryGet(
        { kind: 'Pod', namespace, name: probeName(site, PART) },
        signal,
      );
      const runs = JSON.stringify(object?.['status'] ?? '').includes(`"podIP":"${address}"`);
      if (!runs || !text.includes(READY))
        throw new StowageError(
          'engine-failed',
          'the sink of the rehearsal did not run to the end',
          {
            expected: `pod ${namespace}/${probeName(site, PART)} with address ${address}`,
            found: object === undefined ? 'no such pod' : 'another address, or no log',
            hint: 'check why the cluster ended the pod, such as a drained node, and rehearse again',
          },
        );
      return log.all();
    },
  };

  async function untilReady(): Promise<{ container: string; ports: readonly number[] }> {
    const until = performance.now() + START_SECONDS * 1000;
    for (;;) {
      let said = '';
      for (const each of running) {
        const query = new URLSearchParams({ container: each, limitBytes: '4096' });
        const { text } = await cluster.text(`${path}?${query}`, signal);
        said += text;
        const [, list] = new RegExp(`^${READY} ([0-9,]+)$`, 'm').exec(text) ?? [];
        if (list !== undefined) return { container: each, ports: list.split(',').map(Number) };
      }
      if (performance.now() >= until) throw notStarted(said || 'it wrote nothing');
      await sleep(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

function notStarted(found: string): StowageError {
  return new StowageError('engine-failed', 'the sink of the rehearsal does not start', {
    expected:
      'a pod with PodSecurity restricted and an IPv4 address, which accepts connections at its ports',
    found: oneLine(found, 500),
    hint: 'check with stowage doctor that nodes pull from the depot, and with kubectl what the cluster refuses',
  });
}
