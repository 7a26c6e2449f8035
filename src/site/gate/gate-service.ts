import { StowageError } from '../../core/error.ts';
import type { Context } from '../../core/event.ts';
import type { GateResult } from '../../format/receipt.ts';
import type { Health } from '../../format/service.ts';
import type { DeployedService, OpenEndpoint, ServiceOf, Target } from '../../target/target.ts';
import { acceptanceCheck } from './acceptance.ts';
import { modelQuestions } from './model-list.ts';
import { becomesReady, readinessQuestion, staysReady } from './readiness.ts';

const LOG_LINES = 20;
/** What a check may say, so that no answer of a service makes a receipt that cannot be written. */
const MAX_WORDS = 4000;

/** What gates are run with. */
export interface GateContext extends Context {
  readonly target: Target;
  /** Is told of each check as it ends, also of the one that fails. */
  readonly keep: (result: GateResult) => void;
}

type Check = (
  name: GateResult['check'],
  wanted: string,
  run: () => Promise<string | true>,
  quiet?: boolean,
) => Promise<void>;

/**
 * What must hold before a generation is kept, for one service: the process runs, the server says that it is ready,
 * the model and its adapters are listed, the acceptance prompts match, and it stays so. Stops at the first that fails.
 * @throws StowageError `gate-failed` with what was expected, what was seen, and the service's last lines
 */
export async function gateService(of: ServiceOf, context: GateContext): Promise<void> {
  const service = deployedService(of, context.target);
  const check: Check = async (name, wanted, run, quiet = false) => {
    const began = performance.now();
    const outcome = await run();
    const milliseconds = Math.round(performance.now() - began);
    const passed = outcome === true;
    const expected = brief(wanted);
    const found = passed ? expected : brief(outcome);
    const result = { service: service.name, check: name, passed, expected, found, milliseconds };
    if (!passed || !quiet) context.keep(result);
    if (!passed) throw await failure(of, result, context);
  };
  await check('process', 'running', () => processRuns(of, context));
  const { health } = service;
  if (health === undefined) return;
  const endpoint = await openEndpoint(of, health, context);
  try {
    await gateServer({ of, service, health, endpoint }, check, context);
  } finally {
    await endpoint?.close();
  }
}

/** A server under its gate. */
interface Gated {
  readonly of: ServiceOf;
  readonly service: DeployedService;
  readonly health: Health;
  readonly endpoint: OpenEndpoint | undefined;
}

async function gateServer(
  { of, service, health, endpoint }: Gated,
  check: Check,
  context: GateContext,
): Promise<void> {
  const { target, signal } = context;
  const { startupSeconds, soakSeconds, server } = health;
  const question = readinessQuestion({ of, health, endpoint }, context);
  const wanted = `${health.command === undefined ? '200 from' : 'status 0 of'} ${question.about}`;
  await check('readiness', `${wanted}, with progress every ${startupSeconds} s until then`, () =>
    becomesReady({ of, health, question }, context),
  );
  const first = await target.state(of, signal);
  if (endpoint !== undefined) {
    for (const { expected, run } of modelQuestions(service, endpoint, signal))
      await check('model', expected, run);
    const { acceptance } = of.release;
    for (const prompt of acceptance.filter((each) => each.service === service.name)) {
      const { expected, run } = acceptanceCheck(prompt, server, endpoint, signal);
      await check('acceptance', expected, run);
    }
  }
  const soaking = soakSeconds > 0;
  await check(
    soaking ? 'soak' : 'process',
    soaking ? `${wanted} for ${soakSeconds} s, without an end` : 'running without an end',
    () => staysReady({ of, first, question, seconds: soakSeconds }, context),
    !soaking,
  );
}

/** A service of a release as its target describes it. */
export function deployedService(
  { release, service }: ServiceOf,
  target: Pick<Target, 'services'>,
): DeployedService {
  const found = target.services(release).find((each) => each.name === service);
  if (found === undefined) throw new Error(`release ${release.name} has no service ${service}`);
  return found;
}

/** Where a service is asked; undefined when a program inside the container tells. */
export async function openEndpoint(
  of: ServiceOf,
  { command, port }: Health,
  { target, signal }: Pick<GateContext, 'target' | 'signal'>,
): Promise<OpenEndpoint | undefined> {
  if (command !== undefined) return undefined;
  if (port === undefined)
    throw new Error(`service ${of.service} passed the schema without its port`);
  return target.endpoint(of, port, signal);
}

async function processRuns(of: ServiceOf, { target, signal }: GateContext): Promise<string | true> {
  const { state, detail } = await target.state(of, signal);
  return state === 'running' ? true : `${state} ${detail}`.trim();
}

/** At most so many characters, well-formed: a service can answer with half a surrogate pair. */
function brief(text: string): string {
  const cut = text.length > MAX_WORDS ? `${text.slice(0, MAX_WORDS)} ...` : text;
  return cut.toWellFormed();
}

async function failure(
  of: ServiceOf,
  { check, expected, found }: GateResult,
  { target, signal }: GateContext,
): Promise<StowageError> {
  const logs = await target.logs(of, LOG_LINES, signal).catch(() => '');
  return new StowageError('gate-failed', `service ${of.service} did not pass the ${check} gate`, {
    expected,
    found,
    hint: 'the lines listed are the last that the service wrote; give them to the release engineer',
    defects: logs.split('\n').filter((line) => line.trim() !== ''),
  });
}
