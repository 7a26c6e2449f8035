import { setTimeout as sleep } from 'node:timers/promises';
import { interrupted } from '../../../core/error.ts';
import { oneLine } from '../../../core/text.ts';
import { pathOf } from '../api/kinds.ts';
import { type Direction, denial, type ProbePlace, probeLabels, probeName } from './probe-place.ts';
import { createProbePod, type ProbeState, watchProbePod } from './probe-pod.ts';
import type { Shown } from './probes.ts';
import { BLOCKED, CONNECTED, containersFor, isAbsent, programs } from './programs.ts';

/** How long the image may take to be pulled and started. */
const START_SECONDS = 120;
/** How long a pod may need until it reaches another. */
const REACH_SECONDS = 20;
/** How long a network plugin may need until it enforces a new policy. */
const ENFORCE_SECONDS = 20;
const POLL_MS = 300;
const MAX_TEXT = 400;

/** Whether the network plugin denies the connections that a policy denies, by their direction as seen from the pod with the policy. */
export interface PolicyResult extends Readonly<Record<Direction, boolean>> {
  /** Where the pods ran. */
  readonly nodes: readonly string[];
}

/** A pod of the probe whose program runs. */
interface Started {
  readonly part: 'server' | Direction;
  readonly address: string;
  readonly node: string;
  /** The programs of the image that run. */
  readonly running: readonly string[];
}

/**
 * Whether the network plugin enforces a NetworkPolicy, in each direction: two clients reach a server; then a policy denies what one of them
 * sends, and another what the server receives, and each client still reaches it or not.
 * @param image of a release; it must have one of {@link programs}
 */
export async function probePolicy(
  place: ProbePlace,
  image: string,
  signal: AbortSignal,
): Promise<Shown<PolicyResult>> {
  const server = await startServer(place, image, signal);
  if (server.unproven !== undefined) return server;
  const clients = await startClients(place, image, server.shown, signal);
  if (clients.unproven !== undefined) return clients;
  for (const client of clients.shown)
    if (!(await connected(place, client, signal)))
      return { unproven: 'one pod does not reach another, even without a policy of Stowage' };

  const egress = await isBlocked(place, 'egress', signal);
  if (egress.unproven !== undefined) return egress;
  // Else nothing would be known of the connections that the server receives.
  if (!(await runs(place, 'ingress', signal)))
    return { unproven: 'a policy for one pod stopped the connections of another' };
  const ingress = await isBlocked(place, 'ingress', signal);
  if (ingress.unproven !== undefined) return ingress;
  if (!(await runs(place, 'server', signal))) return { unproven: 'the server of the probe ended' };
  const nodes = [...new Set([server.shown, ...clients.shown].map(({ node }) => node))];
  return { shown: { egress: egress.shown, ingress: ingress.shown, nodes } };
}

async function startServer(
  place: ProbePlace,
  image: string,
  signal: AbortSignal,
): Promise<Shown<Started>> {
  const containers = containersFor('listen', image, ({ port }) => [String(port)]);
  const refused = await createProbePod(place, { part: 'server', containers }, signal);
  return refused === undefined ? started(place, 'server', signal) : { unproven: refused.message };
}

/** Starts both at once. */
async function startClients(
  place: ProbePlace,
  image: string,
  { address, running }: Started,
  signal: AbortSignal,
): Promise<Shown<Started[]>> {
  const parts = ['egress', 'ingress'] as const;
  const port = programs.find(({ name }) => running.includes(name))?.port ?? 0;
  const seconds = START_SECONDS + 2 * (REACH_SECONDS + ENFORCE_SECONDS);
  const containers = containersFor('connect', image, () => [
    ...[address, String(port), String(seconds)],
  ]);
  for (const part of parts) {
    const refused = await createProbePod(place, { part, containers, apart: true }, signal);
    if (refused !== undefined) return { unproven: refused.message };
  }
  const clients: Started[] = [];
  for (const part of parts) {
    const client = await started(place, part, signal);
    if (client.unproven !== undefined) return client;
    clients.push(client.shown);
  }
  return { shown: clients };
}

/** Waits until every program of a pod runs or turned out not to be in the image. */
async function started(
  place: ProbePlace,
  part: Started['part'],
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
      : { shown: { part, address, node, running } };
  };
  const found = await watchProbePod(place, part, { seconds: START_SECONDS, judge }, signal);
  if (found !== undefined) return found;
  const why =
    last?.unscheduled ?? last?.containers.find(({ waiting }) => waiting)?.waiting?.message ?? '';
  return {
    unproven: oneLine(`a pod did not start within ${START_SECONDS} s: ${why}`, MAX_TEXT),
  };
}

/** Whether a client wrote that it reached the server. */
async function connected(
  { cluster, site, namespace }: ProbePlace,
  { part, running }: Started,
  signal: AbortSignal,
): Promise<boolean> {
  const until = performance.now() + REACH_SECONDS * 1000;
  const path = pathOf('Pod', namespace, probeName(site, part));
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

/** Whether a client no longer reaches the server once a policy denies that. */
async function isBlocked(
  place: ProbePlace,
  direction: Direction,
  signal: AbortSignal,
): Promise<Shown<boolean>> {
  const refused = await deny(place, direction, signal);
  if (refused !== undefined) return { unproven: refused };
  const judge = ({ containers }: ProbeState): true | undefined =>
    containers.some(({ ended }) => ended?.exitCode === BLOCKED) || undefined;
  const watch = { seconds: ENFORCE_SECONDS, judge };
  return { shown: (await watchProbePod(place, direction, watch, signal)) === true };
}

/** @returns why the cluster refuses the policy, or undefined */
async function deny(
  { cluster, site, namespace }: ProbePlace,
  direction: Direction,
  signal: AbortSignal,
): Promise<string | undefined> {
  const part = denial(direction);
  const [isolated, policyType] =
    direction === 'egress' ? (['egress', 'Egress'] as const) : (['server', 'Ingress'] as const);
  const policy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: probeName(site, part), namespace, labels: probeLabels(site, part) },
    spec: {
      podSelector: { matchLabels: probeLabels(site, isolated) },
      policyTypes: [policyType],
    },
  };
  return (await cluster.tryApply(policy, signal)).failure?.message;
}

/** Whether a program of this pod runs: one that ended shows nothing. */
async function runs(
  place: ProbePlace,
  part: Started['part'],
  signal: AbortSignal,
): Promise<boolean> {
  const judge = ({ containers }: ProbeState): boolean => containers.some(({ running }) => running);
  return (await watchProbePod(place, part, { seconds: 0, judge }, signal)) === true;
}
