import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted } from '../../../core/error.ts';
import { oneLine } from '../../../core/text.ts';
import { pathOf } from '../api/kinds.ts';
import type { Shown } from './image-probe.ts';
import { type ProbePlace, probeLabels, probeName, probeSelector } from './probe-place.ts';
import { createProbePod, type ProbeState, watchProbePod } from './probe-pod.ts';
import { BLOCKED, CONNECTED, containersFor, isAbsent, programs } from './programs.ts';

/** How long the image may take to be pulled and started. */
const START_SECONDS = 120;
/** How long two pods may need until one reaches the other. */
const REACH_SECONDS = 20;
/** How long a network plugin may need until it enforces a new policy. */
const ENFORCE_SECONDS = 10;
const POLL_MS = 300;
const MAX_TEXT = 400;

export interface PolicyResult {
  readonly enforced: boolean;
  /** Where server and client ran. */
  readonly nodes: readonly string[];
}

/**
 * Whether the network plugin enforces a NetworkPolicy: a client reaches a server, then a policy denies all connections of both,
 * and the client still reaches it or not.
 * @param image of a release; it must have one of {@link programs}
 */
export async function probePolicy(
  place: ProbePlace,
  image: string,
  signal: AbortSignal,
): Promise<Shown<PolicyResult>> {
  const server = await startServer(place, image, signal);
  if (server.unproven !== undefined) return server;
  const { address, port } = server.shown;
  const seconds = START_SECONDS + REACH_SECONDS + ENFORCE_SECONDS;
  const containers = containersFor('connect', image, () => [address, port, String(seconds)]);
  const refused = await createProbePod(place, { part: 'client', containers, apart: true }, signal);
  if (refused !== undefined) return { unproven: refused.message };
  const client = await started(place, 'client', signal);
  if (client.unproven !== undefined) return client;
  const reached = await connected(place, client.shown, signal);
  if (!reached)
    return { unproven: 'one pod does not reach another, even without a policy of Stowage' };
  const denied = await deny(place, signal);
  if (denied !== undefined) return { unproven: denied };
  const ended = (state: ProbeState): number | undefined =>
    state.containers.find(({ ended: end }) => end?.exitCode === BLOCKED)?.ended?.exitCode;
  const watch = { seconds: ENFORCE_SECONDS, judge: ended };
  const blocked = await watchProbePod(place, 'client', watch, signal);
  const alive = await watchProbePod(
    place,
    'server',
    { seconds: 0, judge: ({ containers: all }) => all.some(({ running }) => running) },
    signal,
  );
  if (alive !== true) return { unproven: 'the server of the probe ended' };
  const nodes = [...new Set([server.shown.node, client.shown.node])];
  return { shown: { enforced: blocked !== undefined, nodes } };
}

interface Started {
  readonly address: string;
  readonly node: string;
  /** The programs of the image that run. */
  readonly running: readonly string[];
}

async function startServer(
  place: ProbePlace,
  image: string,
  signal: AbortSignal,
): Promise<Shown<Started & { readonly port: string }>> {
  const containers = containersFor('listen', image, ({ port }) => [String(port)]);
  const refused = await createProbePod(place, { part: 'server', containers }, signal);
  if (refused !== undefined) return { unproven: refused.message };
  const result = await started(place, 'server', signal);
  if (result.unproven !== undefined) return result;
  const { running } = result.shown;
  const port = programs.find(({ name }) => running.includes(name))?.port ?? 0;
  return { shown: { ...result.shown, port: String(port) } };
}

/** Waits until every program of a pod runs or turned out not to be in the image. */
async function started(
  place: ProbePlace,
  part: string,
  signal: AbortSignal,
): Promise<Shown<Started>> {
  let last: ProbeState | undefined;
  const judge = (state: ProbeState): Shown<Started> | undefined => {
    last = state;
    const { containers, address, node } = state;
    const running = containers.filter((each) => each.running).map(({ name }) => name);
    const known = containers.filter((each) => each.running || each.ended || isAbsent(each));
    if (containers.length < programs.length || known.length < containers.length) return undefined;
    if (running.length === 0) {
      const names = programs.map(({ name }) => name).join(', ');
      return { unproven: `the image of the probe has none of the programs ${names}` };
    }
    return address === undefined || node === undefined
      ? undefined
      : { shown: { address, node, running } };
  };
  const found = await watchProbePod(place, part, { seconds: START_SECONDS, judge }, signal);
  if (found !== undefined) return found;
  const why =
    last?.unscheduled ?? last?.containers.find(({ waiting }) => waiting)?.waiting?.message ?? '';
  return {
    unproven: oneLine(`a pod did not start within ${START_SECONDS} s: ${why}`, MAX_TEXT),
  };
}

/** Whether the client wrote that it reached the server. */
async function connected(
  { cluster, site, namespace }: ProbePlace,
  { running }: Started,
  signal: AbortSignal,
): Promise<boolean> {
  const until = performance.now() + REACH_SECONDS * 1000;
  const path = pathOf('Pod', namespace, probeName(site, 'client'));
  while (performance.now() < until) {
    for (const container of running) {
      const query = new URLSearchParams({ container, limitBytes: '4096' });
      const { text } = await cluster.text(`${path}/log?${query}`, signal);
      if (text.includes(CONNECTED)) return true;
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
    if (signal.aborted) throw interrupted(signal);
  }
  return false;
}

/** @returns why the cluster refuses the policy, or undefined */
async function deny(
  { cluster, site, namespace }: ProbePlace,
  signal: AbortSignal,
): Promise<string | undefined> {
  const policy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: probeName(site, 'deny'), namespace, labels: probeLabels(site, 'deny') },
    spec: { podSelector: probeSelector(site), policyTypes: ['Ingress', 'Egress'] },
  };
  return (await cluster.tryApply(policy, signal)).failure?.message;
}
