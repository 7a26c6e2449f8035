import { setTimeout as sleep } from 'node:timers/promises';
import { StowageError } from '../../core/error.ts';
import type { Context } from '../../core/event.ts';
import type { Health } from '../../format/service.ts';
import { ask, type Endpoint } from '../../target/ask.ts';
import type { ServiceOf, ServiceState, Target } from '../../target/target.ts';
import { Progress } from './progress.ts';
import { serverProfiles } from './server-kind.ts';

const POLL_MS = 250;
const SOAK_POLL_MS = 1000;
const ASK_SECONDS = 10;
/** How often the log is looked at for signs of progress. */
const LOG_MS = 2000;
const LOG_LINES = 50;

/** One question whether a service is ready. */
export interface ReadinessQuestion {
  /** What is asked, in words: a path, or a program in the container. */
  readonly about: string;
  /** True, or what was answered instead; `answer` is all of it. */
  readonly ask: (seconds: number) => Promise<true | { found: string; answer: string }>;
}

/** The target of the services that are asked. */
export interface ReadinessContext {
  readonly target: Target;
  readonly signal: AbortSignal;
}

/** A server, and where it is asked. */
interface Asked {
  readonly of: ServiceOf;
  readonly health: Health;
  readonly endpoint: Endpoint | undefined;
}

interface Awaited {
  readonly of: ServiceOf;
  readonly health: Health;
  readonly question: ReadinessQuestion;
}

interface Soaked {
  readonly of: ServiceOf;
  /** Its state when it had become ready. */
  readonly first: ServiceState;
  readonly question: ReadinessQuestion;
  readonly seconds: number;
}

/** How a kind of server is asked whether it can answer prompts. */
export function readinessQuestion(
  { of, health, endpoint }: Asked,
  { target, signal }: ReadinessContext,
): ReadinessQuestion {
  const { command } = health;
  if (command !== undefined) {
    const run = (seconds: number) => runsInside({ of, command, seconds }, { target, signal });
    return { about: command.join(' '), ask: run };
  }
  if (endpoint === undefined) throw new Error('a server that is asked has a port');
  const path = health.path ?? serverProfiles[health.server].readyPath;
  return {
    about: path,
    ask: async (seconds) => {
      const answer = await ask(endpoint, path, seconds, signal);
      if (answer?.status === 200) return true;
      const found = answer === undefined ? 'no answer' : `status ${answer.status}`;
      return { found, answer: `${found} ${answer?.body ?? ''}` };
    },
  };
}

/**
 * Waits until a service is ready: as long as it makes progress, and no longer than its limit. One that ended, or
 * was started again, is not waited for.
 */
export async function becomesReady(
  { of, health, question }: Awaited,
  { target, signal, emit }: ReadinessContext & Context,
): Promise<string | true> {
  const { startupSeconds, startupLimitSeconds } = health;
  const first = await target.state(of, signal);
  const progress = new Progress(question.about);
  const began = performance.now();
  let sign = began;
  let looked = began;
  for (;;) {
    const now = performance.now();
    const silent = (now - sign) / 1000;
    const left = Math.min(startupSeconds - silent, startupLimitSeconds - (now - began) / 1000);
    const answer = await question.ask(Math.max(1, Math.min(ASK_SECONDS, Math.ceil(left))));
    if (answer === true) return true;
    const ended = endedSince(first, await target.state(of, signal));
    if (ended !== undefined) return `${ended} while it loaded`;
    const over = performance.now();
    const due = over - looked >= LOG_MS || over - sign >= startupSeconds * 1000;
    const log = due ? await logOf(of, { target, signal }) : undefined;
    if (due) looked = over;
    if (progress.sees({ answer: answer.answer, ...(log === undefined ? {} : { log }) }))
      sign = over;
    const total = (over - began) / 1000;
    if (total >= startupLimitSeconds) return `${answer.found} after ${Math.round(total)} s in all`;
    if (over - sign >= startupSeconds * 1000)
      return `${answer.found}, and no sign of progress for ${startupSeconds} s`;
    emit({
      type: 'progress',
      task: `wait for ${of.service}`,
      done: Math.floor((over - sign) / 1000),
      total: startupSeconds,
      unit: 'seconds',
    });
    await sleep(POLL_MS);
  }
}

/** Whether a service that is ready stays so: asked again and again, never ended. At least one look. */
export async function staysReady(
  { of, first, question, seconds }: Soaked,
  { target, signal, emit }: ReadinessContext & Context,
): Promise<string | true> {
  const began = performance.now();
  for (;;) {
    const ended = endedSince(first, await target.state(of, signal));
    const passed = (performance.now() - began) / 1000;
    if (ended !== undefined) return `${ended} after ${Math.round(passed)} s`;
    if (seconds === 0) return true;
    const answer = await question.ask(ASK_SECONDS);
    if (answer !== true) return `${answer.found} after ${Math.round(passed)} s`;
    if (passed >= seconds) return true;
    const done = Math.floor(passed);
    emit({ type: 'progress', task: `soak ${of.service}`, done, total: seconds, unit: 'seconds' });
    await sleep(Math.min(SOAK_POLL_MS, Math.max(50, (seconds - passed) * 1000)));
  }
}

/** A process that ended or was started anew will do so again. */
function endedSince(first: ServiceState, now: ServiceState): string | undefined {
  if (now.state !== 'running') return `the process ended (${now.detail || now.state})`;
  const restarted =
    now.startedAt !== first.startedAt || (now.restarts ?? 0) > (first.restarts ?? 0);
  return restarted ? 'the process ended and was started again' : undefined;
}

async function runsInside(
  { of, command, seconds }: { of: ServiceOf; command: readonly string[]; seconds: number },
  { target, signal }: ReadinessContext,
): Promise<true | { found: string; answer: string }> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)]);
  try {
    const { status, output } = await target.runInside(of, command, limit);
    if (status === 0) return true;
    const found = `status ${status}${output === '' ? '' : `: ${output}`}`;
    return { found, answer: found };
  } catch (error) {
    if (signal.aborted || !(error instanceof StowageError)) throw error;
    const found = error.code === 'interrupted' ? `no end within ${seconds} s` : error.message;
    return { found, answer: found };
  }
}

async function logOf(
  of: ServiceOf,
  { target, signal }: ReadinessContext,
): Promise<string | undefined> {
  try {
    return await target.logs(of, LOG_LINES, signal);
  } catch (error) {
    if (signal.aborted || !(error instanceof StowageError)) throw error;
    return undefined;
  }
}
