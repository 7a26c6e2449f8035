import { setTimeout as sleep } from 'node:timers/promises';
import { StowageError } from '../core/error.ts';
import type { Context } from '../core/event.ts';
import type { DeployedRelease, RenderedService } from '../format/generation.ts';
import type { GateResult } from '../format/receipt.ts';
import type { Health } from '../format/service.ts';
import { ask, type Endpoint } from '../target/ask.ts';
import type { Target } from '../target/target.ts';
import { putPrompt } from './acceptance.ts';
import { serverProfiles } from './server-kind.ts';

const POLL_MS = 250;
const ASK_SECONDS = 10;
const LOG_LINES = 20;
/** What a check may say, so that no answer of a service makes a receipt that cannot be written. */
const MAX_WORDS = 4000;

/**
 * What must hold before a generation is kept, for one service: the process runs, the readiness path answers, the
 * model is listed, the acceptance prompts match. Stops at the first that fails.
 * @param keep hears of each check as it ends, also of the one that fails
 * @throws StowageError `gate-failed` with what was expected, what was seen, and the service's last lines
 */
export async function gateService(
  release: DeployedRelease,
  service: RenderedService,
  target: Target,
  context: Context,
  keep: (result: GateResult) => void,
): Promise<void> {
  const check = async (
    name: GateResult['check'],
    wanted: string,
    run: () => Promise<string | true>,
  ): Promise<void> => {
    const began = performance.now();
    const outcome = await run();
    const milliseconds = Math.round(performance.now() - began);
    const passed = outcome === true;
    const expected = brief(wanted);
    const found = passed ? expected : brief(outcome);
    keep({ service: service.name, check: name, passed, expected, found, milliseconds });
    if (!passed) throw await failure(service, target, name, expected, found, context.signal);
  };
  await check('process', 'running', () => processRuns(service, target, context.signal));
  const { health } = service;
  if (health === undefined) return;
  const endpoint = endpointOf(service, health);
  const path = health.path ?? serverProfiles[health.server].readyPath;
  await check('readiness', `200 from ${path} within ${health.startupSeconds} s`, () =>
    becomesReady(service, endpoint, path, health.startupSeconds, target, context),
  );
  const { model } = health;
  if (model !== undefined) {
    await check('model', `/v1/models lists ${model}`, () =>
      listsModel(endpoint, model, context.signal),
    );
  }
  for (const prompt of release.acceptance.filter((each) => each.service === service.name)) {
    const { expected, run } = putPrompt(prompt, endpoint, context.signal);
    await check('acceptance', expected, run);
  }
}

async function processRuns(
  service: RenderedService,
  target: Target,
  signal: AbortSignal,
): Promise<string | true> {
  const { state, detail } = await target.inspectService(service, signal);
  return state === 'running' ? true : `${state} ${detail}`.trim();
}

async function becomesReady(
  service: RenderedService,
  endpoint: Endpoint,
  path: string,
  seconds: number,
  target: Target,
  { signal, emit }: Context,
): Promise<string | true> {
  const began = performance.now();
  const first = await target.inspectService(service, signal);
  let last = 'no answer';
  for (let elapsed = 0; elapsed < seconds; elapsed = (performance.now() - began) / 1000) {
    const answer = await ask(
      endpoint,
      path,
      Math.min(ASK_SECONDS, Math.ceil(seconds - elapsed)),
      signal,
    );
    if (answer?.status === 200) return true;
    last = answer === undefined ? 'no answer' : `status ${answer.status}`;
    emit({
      type: 'progress',
      task: `wait for ${service.name}`,
      done: Math.floor(elapsed),
      total: seconds,
      unit: 'seconds',
    });
    const now = await target.inspectService(service, signal);
    // A process that ended or was started anew while it loaded will do so again.
    if (now.state !== 'running') return `the process ended while it loaded: ${now.detail}`;
    if (now.startedAt !== first.startedAt)
      return 'the process ended while it loaded, and was started again';
    await sleep(POLL_MS);
  }
  return `${last} after ${seconds} s`;
}

async function listsModel(
  endpoint: Endpoint,
  model: string,
  signal: AbortSignal,
): Promise<string | true> {
  const answer = await ask(endpoint, '/v1/models', ASK_SECONDS, signal);
  if (answer === undefined) return 'no answer';
  const ids = modelIds(answer.body);
  return ids.includes(model)
    ? true
    : `status ${answer.status}, models: ${ids.join(', ') || 'none'}`;
}

function modelIds(body: string): string[] {
  try {
    const { data } = JSON.parse(body) as { data?: readonly { id?: unknown }[] };
    return (data ?? []).flatMap((each) => (typeof each.id === 'string' ? [each.id] : []));
  } catch {
    return [];
  }
}

/** At most so many characters, well-formed: a service can answer with half a surrogate pair. */
function brief(text: string): string {
  const cut = text.length > MAX_WORDS ? `${text.slice(0, MAX_WORDS)} ...` : text;
  return cut.toWellFormed();
}

function endpointOf(service: RenderedService, health: Health): Endpoint {
  const port = service.ports.find((each) => each.name === health.port);
  if (port === undefined)
    throw new Error(`service ${service.name} passed the schema without its port`);
  // On the host's own network a service listens where it listens; nothing publishes the port elsewhere.
  return { address: port.address, port: service.network === 'host' ? port.container : port.host };
}

async function failure(
  service: RenderedService,
  target: Target,
  check: GateResult['check'],
  expected: string,
  found: string,
  signal: AbortSignal,
): Promise<StowageError> {
  const logs = await target.logs(service, LOG_LINES, signal).catch(() => '');
  return new StowageError('gate-failed', `service ${service.name} did not pass the ${check} gate`, {
    expected,
    found,
    hint: 'the lines below are the last that the service wrote; give them to the release engineer',
    defects: logs.split('\n').filter((line) => line.trim() !== ''),
  });
}
