import { setTimeout as sleep } from 'node:timers/promises';
import { StowageError } from '../../core/error.ts';
import { oneLine } from '../../core/text.ts';
import type { DeployedService, ServiceOf, Target } from '../../target/target.ts';
import { openEndpoint } from '../gate/gate-service.ts';
import { readinessCheck, replicasReady } from '../gate/readiness.ts';
import { currentGeneration } from '../generations.ts';
import type { SiteContext } from '../site-folder.ts';
import { type ServerFigures, serverFigures } from './server-figures.ts';

/** The time between the two samples from which rates are computed. */
const SAMPLE_MS = 1000;
/** The longest time for one service, whatever it or its engine does. */
const SERVICE_MS = 8000;
const READINESS_SECONDS = 2;
const LOG_LINES = 20;
const MAX_TEXT = 200;

/** What a service does now. */
export type LivePhase =
  /** It answers its readiness check, or has none. */
  | 'ready'
  /** It runs and does not answer its readiness check yet. */
  | 'loading'
  | 'stopped'
  | 'absent'
  /** Neither it nor its engine answered in time. */
  | 'unknown';

/** One service now. A figure that is unknown is missing. */
export interface LiveService extends Partial<ServerFigures> {
  readonly release: string;
  readonly service: string;
  readonly phase: LivePhase;
  /** Why it is not ready, or the last line that it wrote while it loads; empty if there is nothing to say. */
  readonly detail: string;
  readonly startedAt?: string;
  /** Tokens in a second during the sample. */
  readonly promptRate?: number;
  readonly generatedRate?: number;
  /** Processors in use during the sample. */
  readonly cpus?: number;
  readonly memoryBytes?: number;
  /** Read from block devices since it was started. */
  readonly readBytes?: number;
  /** Why the memory or the processors are unknown. */
  readonly useUnknown?: string;
}

/** The services of a site now. */
export interface LiveStatus {
  readonly site: string;
  readonly generation: number;
  readonly services: readonly LiveService[];
}

/**
 * What the services of a site do now, by their servers and the engine. Changes nothing. Takes about two seconds, and at most
 * eight: a service that does not answer is reported as such.
 */
export async function liveStatus(context: Omit<SiteContext, 'emit'>): Promise<LiveStatus> {
  const { site, target } = context;
  const generation = await currentGeneration(site);
  const all = generation.releases.flatMap((release) =>
    target.services(release).map((service) => ({ release, service })),
  );
  const services = await Promise.all(
    all.map(({ release, service }) =>
      liveService({ release, service: service.name }, service, context),
    ),
  );
  return { site: (await site.site()).name, generation: generation.number, services };
}

async function liveService(
  of: ServiceOf,
  service: DeployedService,
  context: Omit<SiteContext, 'emit'>,
): Promise<LiveService> {
  const name = { release: of.release.name, service: of.service };
  const limit = AbortSignal.timeout(SERVICE_MS);
  const signal = AbortSignal.any([context.signal, limit]);
  try {
    const late = new Promise<never>((_, fail) => {
      signal.addEventListener('abort', () => fail(signal.reason), { once: true });
    });
    const found = await Promise.race([observed(of, service, { ...context, signal }), late]);
    return { ...name, ...found };
  } catch (error) {
    if (context.signal.aborted || !(error instanceof StowageError || limit.aborted)) throw error;
    const detail =
      limit.aborted || !(error instanceof StowageError)
        ? `no answer within ${SERVICE_MS / 1000} s`
        : oneLine(error.message, MAX_TEXT);
    return { ...name, phase: 'unknown', detail };
  }
}

type Observed = Omit<LiveService, 'release' | 'service'>;

async function observed(
  of: ServiceOf,
  { health }: DeployedService,
  context: Omit<SiteContext, 'emit'>,
): Promise<Observed> {
  const { target, signal } = context;
  const state = await target.state(of, signal);
  const started = state.startedAt === undefined ? {} : { startedAt: state.startedAt };
  if (state.state !== 'running')
    return { phase: state.state, detail: oneLine(state.detail, MAX_TEXT), ...started };
  const engine = (): ReturnType<NonNullable<Target['resourceUse']>> =>
    target.resourceUse?.(of, signal) ?? Promise.resolve(undefined);
  if (health === undefined) {
    const use = await sampled(engine);
    return { phase: 'ready', detail: '', ...started, ...useIn(use) };
  }
  const endpoint = await openEndpoint(of, health, context);
  try {
    const check = readinessCheck({ of, health, endpoint }, { target, signal });
    const answered = await check.run(READINESS_SECONDS);
    const answer = answered === true ? replicasReady(state) : answered;
    const ask = async (): Promise<ServerFigures | undefined> =>
      endpoint === undefined ? undefined : serverFigures(health.server, endpoint, signal);
    if (answer !== true) {
      const use = await sampled(engine);
      const lines = (await target.logs(of, LOG_LINES, signal)).trimEnd().split(/[\r\n]/);
      const last = lines.at(-1)?.trim() ?? '';
      const detail = `${answer.found} from ${check.about}${last === '' ? '' : `; last line: ${last}`}`;
      return { phase: 'loading', detail: oneLine(detail, MAX_TEXT), ...started, ...useIn(use) };
    }
    const [use, figures] = await Promise.all([sampled(engine), sampled(ask)]);
    return { phase: 'ready', detail: '', ...started, ...useIn(use), ...figuresIn(figures) };
  } finally {
    await endpoint?.close();
  }
}

/** The same reading twice, and the seconds between. */
interface Sampled<T> {
  readonly first: T | undefined;
  readonly last: T | undefined;
  readonly seconds: number;
}

async function sampled<T>(read: () => Promise<T | undefined>): Promise<Sampled<T>> {
  const first = await read();
  const began = performance.now();
  await sleep(SAMPLE_MS);
  const last = await read();
  return { first, last, seconds: (performance.now() - began) / 1000 };
}

type Uses = Sampled<Awaited<ReturnType<NonNullable<Target['resourceUse']>>>>;

function useIn({ first, last, seconds }: Uses): Partial<LiveService> {
  const { cpuSeconds, unknown, ...rest } = last ?? {};
  const cpus = rate(first?.cpuSeconds, cpuSeconds, seconds);
  return {
    ...rest,
    ...(cpus === undefined ? {} : { cpus }),
    ...(unknown === undefined ? {} : { useUnknown: unknown }),
  };
}

function figuresIn({ first, last, seconds }: Sampled<ServerFigures>): Partial<LiveService> {
  const promptRate = rate(first?.promptTokens, last?.promptTokens, seconds);
  const generatedRate = rate(first?.generatedTokens, last?.generatedTokens, seconds);
  return {
    ...last,
    ...(promptRate === undefined ? {} : { promptRate }),
    ...(generatedRate === undefined ? {} : { generatedRate }),
  };
}

/** Of a counter; undefined if it is unknown or was set back. */
function rate(
  before: number | undefined,
  now: number | undefined,
  seconds: number,
): number | undefined {
  if (before === undefined || now === undefined || now < before) return undefined;
  return (now - before) / seconds;
}
