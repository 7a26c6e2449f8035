import { StowageError } from '../../core/error.ts';
import type { Context } from '../../core/event.ts';
import type { DeployedRelease, RenderedService } from '../../format/generation.ts';
import type { GateResult } from '../../format/receipt.ts';
import type { Health } from '../../format/service.ts';
import type { Endpoint } from '../../target/ask.ts';
import type { Target } from '../../target/target.ts';
import { acceptanceCheck } from './acceptance.ts';
import { modelQuestions } from './model-list.ts';
import { becomesReady, readinessQuestion, staysReady } from './readiness.ts';

const LOG_LINES = 20;
/** What a check may say, so that no answer of a service makes a receipt that cannot be written. */
const MAX_WORDS = 4000;

/**
 * What must hold before a generation is kept, for one service: the process runs, the server says that it is ready,
 * the model and its adapters are listed, the acceptance prompts match, and it stays so. Stops at the first that fails.
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
  const { signal } = context;
  const check = async (
    name: GateResult['check'],
    wanted: string,
    run: () => Promise<string | true>,
    quiet = false,
  ): Promise<void> => {
    const began = performance.now();
    const outcome = await run();
    const milliseconds = Math.round(performance.now() - began);
    const passed = outcome === true;
    const expected = brief(wanted);
    const found = passed ? expected : brief(outcome);
    if (!passed || !quiet)
      keep({ service: service.name, check: name, passed, expected, found, milliseconds });
    if (!passed) throw await failure(service, target, name, expected, found, signal);
  };
  await check('process', 'running', () => processRuns(service, target, signal));
  const { health } = service;
  if (health === undefined) return;
  const { startupSeconds, soakSeconds, server } = health;
  const endpoint = endpointOf(service, health);
  const question = readinessQuestion(service, health, endpoint, target, signal);
  const wanted = `${health.command === undefined ? '200 from' : 'status 0 of'} ${question.about}`;
  await check('readiness', `${wanted}, with progress every ${startupSeconds} s until then`, () =>
    becomesReady(service, health, question, target, context),
  );
  const first = await target.inspectService(service, signal);
  if (endpoint !== undefined) {
    for (const { expected, run } of modelQuestions(service, endpoint, signal))
      await check('model', expected, run);
    for (const prompt of release.acceptance.filter((each) => each.service === service.name)) {
      const { expected, run } = acceptanceCheck(prompt, server, endpoint, signal);
      await check('acceptance', expected, run);
    }
  }
  const soaking = soakSeconds > 0;
  await check(
    soaking ? 'soak' : 'process',
    soaking ? `${wanted} for ${soakSeconds} s, without an end` : 'running without an end',
    () => staysReady(service, first, soakSeconds, question, target, context),
    !soaking,
  );
}

async function processRuns(
  service: RenderedService,
  target: Target,
  signal: AbortSignal,
): Promise<string | true> {
  const { state, detail } = await target.inspectService(service, signal);
  return state === 'running' ? true : `${state} ${detail}`.trim();
}

/** At most so many characters, well-formed: a service can answer with half a surrogate pair. */
function brief(text: string): string {
  const cut = text.length > MAX_WORDS ? `${text.slice(0, MAX_WORDS)} ...` : text;
  return cut.toWellFormed();
}

/** Where a service is asked; nowhere, when a program inside the container tells. */
export function endpointOf(service: RenderedService, health: Health): Endpoint | undefined {
  if (health.command !== undefined) return undefined;
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
    hint: 'the lines listed are the last that the service wrote; give them to the release engineer',
    defects: logs.split('\n').filter((line) => line.trim() !== ''),
  });
}
