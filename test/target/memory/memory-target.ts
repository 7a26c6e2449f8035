import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { StowageError } from '../../../src/core/error.ts';
import type { DeployedRelease, Generation, Workload } from '../../../src/format/plan.ts';
import {
  type Change,
  changesBetween,
  isStopped,
  repairedReleases,
} from '../../../src/target/change.ts';
import type {
  DeployedService,
  ServiceState,
  Target,
  TargetStep,
  TargetSteps,
} from '../../../src/target/target.ts';

/** A workload of a shape that no engine has: objects of two kinds, as a cluster might keep them. */
interface MemoryWorkload extends Workload {
  readonly kind: 'memory';
  readonly workers: readonly Worker[];
}

interface Worker {
  /** `<release>-<service>-<digits of the bundle>`: a release may run beside its predecessor. */
  readonly id: string;
  readonly service: string;
  readonly answer: string;
  readonly dependsOn: readonly string[];
  readonly health?: DeployedService['health'];
}

/** What a memory target holds: workers, the worker that each route leads to, and secrets. */
export interface MemoryState {
  readonly workers: readonly string[];
  readonly routes: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
}

export interface MemoryTarget extends Target {
  held(): MemoryState;
  /** Runs before and after each of its own operations; what it throws, the operation throws. */
  hook: (action: string, subject: string, moment: 'before' | 'after') => void;
  /** Whether a worker answers everything with status 500. */
  broken: (worker: string) => boolean;
  /** Somebody else's hand: the worker of a service is replaced by another. */
  replaceByHand(service: string): void;
  /** Somebody else's hand: the worker of a service is deleted. */
  deleteByHand(service: string): void;
  close(): Promise<void>;
}

/** Services as HTTP servers of this process, each beside its predecessor until it has proved itself. */
export function createMemoryTarget(): MemoryTarget {
  const workers = new Map<string, { server: Server; changed: boolean }>();
  const routes = new Map<string, string>();
  const secrets = new Map<string, Uint8Array>();
  const target: MemoryTarget = {
    name: 'memory',
    runsServices: true,
    overridable: ['quota'],
    hook: () => {},
    broken: () => false,
    probe: async () => ({ engine: 'memory', version: '1' }),
    render: ({ bundle, fill }) => {
      const rendered: MemoryWorkload = {
        kind: 'memory',
        workers: bundle.services.map(({ name, args, dependsOn, health }) => ({
          id: `${bundle.name}-${name}-${bundle.seq}`,
          service: name,
          answer: args.map(fill).join(' '),
          dependsOn,
          ...(health === undefined ? {} : { health }),
        })),
      };
      return rendered;
    },
    services: (release) =>
      workersOf(release).map(({ service, dependsOn, health }) => ({
        ...{ name: service, dependsOn, addresses: [{ port: 'http', url: `memory:${service}` }] },
        ...(health === undefined ? {} : { health }),
      })),
    steps: memorySteps,
    async run({ action, release, subject }, _, signal) {
      requireUninterrupted(signal);
      target.hook(action, subject, 'before');
      const worker = workersOf(release).find((each) => each.id === subject);
      if (worker === undefined) throw new Error(`no worker ${subject}`);
      const route = `${release.name}-${worker.service}`;
      if (action === 'create-worker' && workers.get(subject)?.changed === true)
        await remove(subject);
      if (action === 'create-worker' && !workers.has(subject)) {
        const server = createServer((request, response) => {
          response.statusCode = target.broken(subject) ? 500 : 200;
          response.end(request.url === '/health' ? 'ok' : worker.answer);
        });
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        workers.set(subject, { server, changed: false });
      }
      if (action === 'delete-worker') await remove(subject);
      if (action === 'set-route') routes.set(route, subject);
      if (action === 'delete-route') routes.delete(route);
      target.hook(action, subject, 'after');
    },
    constraints: async ({ change }) => [
      {
        rule: 'quota',
        satisfied: changesBetween(change.from, change.to).arriving.length < 10,
        needs: 'fewer than 10 releases at once',
        found: 'enough room',
      },
    ],
    diskUse: async () => [],
    hasSecret: async ({ name }) => secrets.has(name),
    placeSecret: async ({ name }, value) => void secrets.set(name, value),
    removeSecret: async ({ name }) => void secrets.delete(name),
    async endpoint({ release, service }) {
      const server = workers.get(workerOf(release, service).id)?.server;
      const { port } = (server?.address() ?? { port: 1 }) as AddressInfo;
      return { address: '127.0.0.1', port, close: async () => {} };
    },
    async state({ release, service }, signal): Promise<ServiceState> {
      requireUninterrupted(signal);
      const worker = workers.get(workerOf(release, service).id);
      if (worker === undefined) return { state: 'absent', detail: '', drift: [] };
      const drift = worker.changed
        ? [{ field: 'worker', expected: 'the one that was created', found: 'another' }]
        : [];
      return { state: 'running', detail: '', startedAt: '2026-11-21T10:00:00Z', drift };
    },
    runInside: async () => ({ status: 0, output: '' }),
    logs: async ({ service }) => `a line of ${service}`,
    async followLogs({ service }, _, write) {
      write(Buffer.from(`a line of ${service}\n`));
    },
    async stop({ release, service }, signal) {
      requireUninterrupted(signal);
      await remove(workerOf(release, service).id);
    },
    async forget(going, staying, signal) {
      requireUninterrupted(signal);
      const kept = new Set(workersIn(staying));
      for (const id of workersIn(going)) if (!kept.has(id)) await remove(id);
    },
    held: () => ({
      workers: [...workers.keys()].toSorted(),
      routes: Object.fromEntries([...routes].toSorted(([a], [b]) => (a < b ? -1 : 1))),
      secrets: [...secrets.keys()].toSorted(),
    }),
    replaceByHand(service) {
      for (const [id, worker] of workers) if (id.includes(`-${service}-`)) worker.changed = true;
    },
    deleteByHand(service) {
      for (const [id, { server }] of [...workers]) {
        if (!id.includes(`-${service}-`)) continue;
        workers.delete(id);
        server.close();
      }
    },
    async close() {
      for (const id of [...workers.keys()]) await remove(id);
    },
  };
  const remove = async (id: string): Promise<void> => {
    const server = workers.get(id)?.server;
    workers.delete(id);
    server?.closeAllConnections();
    await new Promise((resolve) => (server === undefined ? resolve(0) : server.close(resolve)));
  };
  return target;
}

/** Blue and green: the new workers start beside the old, which go when the routes have moved. */
function memorySteps(change: Change): TargetSteps {
  const { from, to, repairs = [] } = change;
  const { arriving, leaving } = changesBetween(from, to);
  const about = (release: DeployedRelease, side: 'from' | 'to', worker: Worker) =>
    ({ side, release: release.name, subject: worker.id }) as const;
  const each = <T extends TargetStep>(
    releases: readonly DeployedRelease[],
    make: (release: DeployedRelease, worker: Worker) => T,
  ): T[] => releases.flatMap((release) => workersOf(release).map((one) => make(release, one)));
  const gone = leaving.filter(({ name }) => !to.releases.some((other) => other.name === name));
  const shared = new Set(workersIn([from]));
  const fresh = new Set(workersIn([to]));
  return {
    open: [],
    prepare: [],
    stop: [],
    start: [
      ...each(arriving, (release, worker) => ({
        ...about(release, 'to', worker),
        ...{ action: 'create-worker', service: worker.service, reason: 'it is new' },
        ...(shared.has(worker.id) ? {} : { undo: 'delete-worker' }),
      })).filter(({ release, service }) => !isStopped(change, { release, service })),
      ...each(repairedReleases(change), (release, worker) => ({
        ...about(release, 'to', worker),
        ...{ action: 'create-worker', service: worker.service, reason: 'it is repaired' },
        ...(repairs.some((one) => one.service === worker.service && one.running)
          ? {}
          : { undo: 'delete-worker' }),
      })).filter(({ release, service }) =>
        repairs.some((one) => one.release === release && one.service === service),
      ),
    ],
    expose: arriving.flatMap((release) => {
      const before = leaving.find(({ name }) => name === release.name);
      const set = workersOf(release).map((worker) => ({
        ...{ ...about(release, 'to', worker), action: 'set-route', undo: 'delete-route' },
        reason: 'clients are led to it',
      }));
      // Undone in reverse: the route of the predecessor is set last, over the one that was taken away.
      const back = (before === undefined ? [] : workersOf(before)).map((worker) => ({
        ...about(release, 'from', worker),
        ...{ action: 'keep-route', undo: 'set-route', reason: 'its predecessor had the route' },
      }));
      return [...back, ...set];
    }),
    retire: [
      ...each(gone, (release, worker) => ({
        ...about(release, 'from', worker),
        ...{ action: 'delete-route', undo: 'set-route', reason: 'its release leaves' },
      })),
      ...each(leaving, (release, worker) => ({
        ...about(release, 'from', worker),
        ...{ action: 'delete-worker', undo: 'create-worker', reason: 'its successor answers' },
      })).filter(({ subject }) => !fresh.has(subject)),
    ],
    close: [],
    clear: [],
  };
}

function workersOf({ workload }: DeployedRelease): readonly Worker[] {
  return workload.kind === 'memory' ? (workload as MemoryWorkload).workers : [];
}

function workersIn(generations: readonly Generation[]): string[] {
  return generations.flatMap(({ releases }) => releases.flatMap(workersOf).map(({ id }) => id));
}

function workerOf(release: DeployedRelease, service: string): Worker {
  const worker = workersOf(release).find((each) => each.service === service);
  if (worker === undefined) throw new Error(`no service ${service}`);
  return worker;
}

function requireUninterrupted(signal: AbortSignal): void {
  if (signal.aborted) throw new StowageError('interrupted', 'interrupted', { hint: 'run again' });
}
