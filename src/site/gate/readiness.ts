import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../../core/context.ts';
import { StowageError } from '../../core/error.ts';
import { counted, formatBytes, formatDuration, oneLine } from '../../core/text.ts';
import { serverProfiles } from '../../format/server-kind.ts';
import type { Health } from '../../format/service.ts';
import type { Endpoint } from '../../target/http-request.ts';
import type {
  RanInside,
  ResourceUse,
  ServiceOf,
  ServiceState,
  Target,
} from '../../target/target.ts';
import { askOver, timeOver, type Way } from '../../target/way.ts';
import { askServer } from './ask-server.ts';
import type { Outcome } from './outcome.ts';
import { Progress } from './progress.ts';

const POLL_MS = 250;
const SOAK_POLL_MS = 1000;
const REQUEST_SECONDS = 10;
/** How often the log is checked for progress. */
const LOG_MS = 2000;
const LOG_LINES = 50;
/** The most characters of the log in the display. */
const MAX_LOG_LINE = 200;

/** The readiness check of a service. */
export interface ReadinessCheck {
  /** A path, or a command in the container. */
  readonly about: string;
  /** True if ready; otherwise `found` is a summary and `answer` the complete response. */
  readonly run: (seconds: number) => Promise<true | { found: string; answer: string }>;
}

/** The target of the services. */
export interface ReadinessContext {
  readonly target: Target;
  readonly signal: AbortSignal;
}

/** What a check asks, and the way to it if it waits for that. */
interface CheckContext {
  readonly target: Pick<Target, 'runInside'>;
  readonly way?: Way | undefined;
  readonly signal: AbortSignal;
}

/** A server and its endpoint. */
interface Server {
  readonly of: ServiceOf;
  readonly health: Health;
  readonly endpoint: Endpoint | undefined;
}

interface Awaited {
  readonly of: ServiceOf;
  readonly health: Health;
  readonly check: ReadinessCheck;
}

interface Soaked {
  readonly of: ServiceOf;
  /** Its state when it had become ready. */
  readonly first: ServiceState;
  readonly check: ReadinessCheck;
  readonly seconds: number;
}

/** The check of whether a server can answer prompts. */
export function readinessCheck(
  { of, health, endpoint }: Server,
  { target, way, signal }: CheckContext,
): ReadinessCheck {
  const { command } = health;
  if (command !== undefined) {
    const run = (seconds: number) => runsInside({ of, command, seconds }, { target, way, signal });
    return { about: command.join(' '), run };
  }
  if (endpoint === undefined) throw new Error('a server with a readiness path has a port');
  const path = health.path ?? serverProfiles[health.server].readyPath;
  return {
    about: path,
    run: async (seconds) => {
      // Servers answer everybody on the paths of their own.
      const open = health.path === undefined;
      const response = await askServer({ path, seconds, open }, { endpoint, way, signal });
      if (response?.status === 200) return true;
      const found = response === undefined ? 'no response' : `status ${response.status}`;
      return { found, answer: `${found} ${response?.body ?? ''}` };
    },
  };
}

/**
 * Waits until a service is ready, as long as it makes progress and within its limit. Stops when the process exits or
 * restarts.
 * @returns how long it took, or the reason why it is not ready
 */
export async function becomesReady(
  { of, health, check }: Awaited,
  { target, signal, emit }: ReadinessContext & Context,
): Promise<Outcome> {
  const { startupSeconds, startupLimitSeconds } = health;
  const time = (): number => timeOver(target.way);
  const first = await target.state(of, signal);
  const progress = new Progress(check.about);
  const began = time();
  let lastProgress = began;
  let lastLook = began;
  let log: string | undefined;
  let use: ResourceUse | undefined;
  const ready = (): Outcome => ({
    passed: `${check.about}: ready after ${formatDuration(time() - began)}`,
  });
  for (;;) {
    const now = time();
    const silent = (now - lastProgress) / 1000;
    const left = Math.min(startupSeconds - silent, startupLimitSeconds - (now - began) / 1000);
    const answered = await check.run(Math.max(1, Math.min(REQUEST_SECONDS, Math.ceil(left))));
    if (answered === true && first.replicas === undefined) return ready();
    const state = await target.state(of, signal);
    const answer = answered === true ? replicasReady(state) : answered;
    if (answer === true) return ready();
    const ended = endedSince(first, state);
    if (ended !== undefined) return `${ended} while loading`;
    const over = time();
    const due = over - lastLook >= LOG_MS || over - lastProgress >= startupSeconds * 1000;
    if (due) {
      lastLook = over;
      log = (await orUnknown(target.logs(of, LOG_LINES, signal), signal)) ?? log;
      use = (await orUnknown(target.resourceUse?.(of, signal), signal)) ?? use;
    }
    // A readiness command works in the container, and would be taken for the server.
    const seen = due ? { log, use: health.command === undefined ? use : readsOf(use) } : {};
    if (progress.observe({ answer: answer.answer, at: over, ...present(seen) }))
      lastProgress = over;
    const total = (over - began) / 1000;
    if (total >= startupLimitSeconds)
      return `${answer.found} after ${Math.round(total)} s in total`;
    if (over - lastProgress >= startupSeconds * 1000)
      return `${answer.found}, no progress for ${startupSeconds} s`;
    emit({
      type: 'progress',
      task: `wait for ${of.service}`,
      done: Math.floor(total),
      total: startupLimitSeconds,
      unit: 'seconds',
      subject: loadingInWords({ silent: (over - lastProgress) / 1000, startupSeconds, use, log }),
    });
    await sleep(POLL_MS);
  }
}

/** Checks repeatedly that a ready service stays ready and does not exit, at least once. */
export async function staysReady(
  { of, first, check, seconds }: Soaked,
  { target, signal, emit }: ReadinessContext & Context,
): Promise<Outcome> {
  const time = (): number => timeOver(target.way);
  const began = time();
  for (;;) {
    const state = await target.state(of, signal);
    const ended = endedSince(first, state);
    const passed = (time() - began) / 1000;
    if (ended !== undefined) return `${ended} after ${Math.round(passed)} s`;
    if (seconds === 0) return { passed: 'running without an exit' };
    const answered = await check.run(REQUEST_SECONDS);
    const answer = answered === true ? replicasReady(state) : answered;
    if (answer !== true) return `${answer.found} after ${Math.round(passed)} s`;
    // A question that is asked again may find the process that was started in its place.
    const last = passed < seconds ? undefined : await target.state(of, signal);
    const late = last === undefined ? undefined : endedSince(first, last);
    if (late !== undefined) return `${late} after ${Math.round(passed)} s`;
    if (last !== undefined)
      return {
        passed: `${check.about}: ready for ${formatDuration(passed * 1000)}, without an exit`,
      };
    const done = Math.floor(passed);
    emit({ type: 'progress', task: `soak ${of.service}`, done, total: seconds, unit: 'seconds' });
    await sleep(Math.min(SOAK_POLL_MS, Math.max(50, (seconds - passed) * 1000)));
  }
}

/** A check by one replica holds for all once each is ready. */
export function replicasReady({
  replicas,
}: Pick<ServiceState, 'replicas'>): true | { found: string; answer: string } {
  if (replicas === undefined || replicas.ready >= replicas.wanted) return true;
  const found = `${replicas.ready} of ${counted(replicas.wanted, 'replica')} ready`;
  return { found, answer: found };
}

/** How a process ended since `first`, in words; undefined if it has run without interruption. */
function endedSince(first: ServiceState, now: ServiceState): string | undefined {
  if (now.state !== 'running') return `the process exited (${now.detail || now.state})`;
  const restarted =
    now.startedAt !== first.startedAt || (now.restarts ?? 0) > (first.restarts ?? 0);
  return restarted ? 'the process exited and was restarted' : undefined;
}

async function runsInside(
  { of, command, seconds }: { of: ServiceOf; command: readonly string[]; seconds: number },
  { target, way, signal }: CheckContext,
): Promise<true | { found: string; answer: string }> {
  let failure = '';
  const run = async (): Promise<RanInside | undefined> => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)]);
    try {
      return await target.runInside(of, command, limit);
    } catch (error) {
      if (signal.aborted || !(error instanceof StowageError)) throw error;
      failure = error.code === 'interrupted' ? `no result within ${seconds} s` : error.message;
      return undefined;
    }
  };
  const ran = await askOver(way, run, signal);
  if (ran?.status === 0) return true;
  const output = ran === undefined || ran.output === '' ? '' : `: ${ran.output}`;
  const found = ran === undefined ? failure : `status ${ran.status}${output}`;
  return { found, answer: found };
}

/** What of a service is not required to wait for it, and may fail while it starts. */
async function orUnknown<T>(
  result: Promise<T> | undefined,
  signal: AbortSignal,
): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (signal.aborted || !(error instanceof StowageError)) throw error;
    return undefined;
  }
}

interface Loading {
  readonly silent: number;
  readonly startupSeconds: number;
  readonly use: ResourceUse | undefined;
  readonly log: string | undefined;
}

/** How a service loads, for the person who waits. */
function loadingInWords({ silent, startupSeconds, use = {}, log = '' }: Loading): string {
  const { readBytes, memoryBytes } = use;
  const line =
    log
      .trimEnd()
      .split(/[\r\n]/)
      .at(-1)
      ?.trim() ?? '';
  return [
    `no progress for ${Math.floor(silent)} s of ${startupSeconds} s`,
    ...(readBytes === undefined ? [] : [`${formatBytes(readBytes)} read`]),
    ...(memoryBytes === undefined ? [] : [`${formatBytes(memoryBytes)} in memory`]),
    ...(line === '' ? [] : [`last line: ${oneLine(line, MAX_LOG_LINE)}`]),
  ].join(', ');
}

function readsOf(use: ResourceUse | undefined): ResourceUse | undefined {
  return use?.readBytes === undefined ? undefined : { readBytes: use.readBytes };
}

function present({ log, use }: { log?: string | undefined; use?: ResourceUse | undefined }): {
  log?: string;
  use?: ResourceUse;
} {
  return { ...(log === undefined ? {} : { log }), ...(use === undefined ? {} : { use }) };
}
