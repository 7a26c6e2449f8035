import type { Context } from '../../core/context.ts';
import { messageOf, StowageError } from '../../core/error.ts';
import type { GateResult } from '../../format/receipt.ts';
import type { Health } from '../../format/service.ts';
import { type Endpoint, REDACTED } from '../../target/http-request.ts';
import type { DeployedService, OpenEndpoint, ServiceOf, Target } from '../../target/target.ts';
import { apiKeyOf, type KeyPlaces } from '../api-key.ts';
import type { SiteFolder } from '../site-folder.ts';
import { acceptanceCheck } from './acceptance.ts';
import { ALL_LINES, keepLog, tellingLines } from './failed-log.ts';
import { keyChecks } from './key-check.ts';
import { modelChecks } from './model-list.ts';
import type { Outcome } from './outcome.ts';
import { becomesReady, readinessCheck, staysReady } from './readiness.ts';

/** The most characters of one text in a gate result: receipts have a size limit. */
const MAX_TEXT = 4000;
/** The most characters of what a passed check found. */
const MAX_EVIDENCE = 1000;

/** The context of a gate. */
export interface GateContext extends Context {
  readonly target: Target;
  /** Where the log of a service that fails is kept; nowhere if absent. */
  readonly site?: SiteFolder;
  /** The variables of this process, for an API key that `site.yaml` finds there. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Called with the result of each check, including one that fails. */
  readonly keep: (result: GateResult) => void;
}

type Check = (
  name: GateResult['check'],
  wanted: string,
  run: () => Promise<Outcome>,
  quiet?: boolean,
) => Promise<void>;

/**
 * The gate of one service, before a generation is kept: the process runs, the server is ready, it lists the model and
 * its adapters, the acceptance tests pass, and it stays ready. Stops at the first failure.
 * @throws StowageError `gate-failed` with the expected and the found result, and the telling lines of the log
 */
export async function gateService(of: ServiceOf, context: GateContext): Promise<void> {
  const service = deployedService(of, context.target);
  const check: Check = async (name, wanted, run, quiet = false) => {
    const began = performance.now();
    const outcome = await run();
    const milliseconds = Math.round(performance.now() - began);
    const passed = typeof outcome !== 'string';
    const expected = brief(wanted);
    const found = passed ? brief(outcome.passed, MAX_EVIDENCE) : brief(outcome);
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

/** The server of a service and its endpoint. */
interface Gated {
  readonly of: ServiceOf;
  readonly service: DeployedService;
  readonly health: Health;
  readonly endpoint: KeyedEndpoint | undefined;
}

async function gateServer(
  { of, service, health, endpoint }: Gated,
  check: Check,
  context: GateContext,
): Promise<void> {
  const { target, signal } = context;
  const { way } = target;
  const { startupSeconds, soakSeconds, server } = health;
  const readiness = readinessCheck({ of, health, endpoint }, { target, way, signal });
  const wanted = `${health.command === undefined ? '200 from' : 'status 0 of'} ${readiness.about}`;
  await check('readiness', `${wanted}, with progress at least every ${startupSeconds} s`, () =>
    becomesReady({ of, health, check: readiness }, context),
  );
  const first = await target.state(of, signal);
  if (endpoint !== undefined) {
    for (const { expected, run } of keyChecks(health, { endpoint, way, signal }))
      await check('acceptance', expected, run);
    for (const { expected, run } of modelChecks(service, { endpoint, way, signal }))
      await check('model', expected, run);
    const { acceptance } = of.release;
    for (const test of acceptance.filter((each) => each.service === service.name)) {
      const { expected, run } = acceptanceCheck({
        test,
        server,
        adapters: service.adapters ?? [],
        endpoint,
        way,
        signal,
      });
      await check('acceptance', expected, run);
    }
  }
  const soaking = soakSeconds > 0;
  await check(
    soaking ? 'soak' : 'process',
    soaking ? `${wanted} for ${soakSeconds} s, without an exit` : 'running without an exit',
    () => staysReady({ of, first, check: readiness, seconds: soakSeconds }, context),
    !soaking,
  );
}

/** A service of a release, as described by its target. */
export function deployedService(
  { release, service }: ServiceOf,
  target: Pick<Target, 'services'>,
): DeployedService {
  const found = target.services(release).find((each) => each.name === service);
  if (found === undefined) throw new Error(`release ${release.name} has no service ${service}`);
  return found;
}

/** The endpoint of a service with its API key. */
export type KeyedEndpoint = OpenEndpoint & Endpoint;

/** The endpoint of a readiness check; undefined when a command in the container performs it. */
export async function openEndpoint(
  of: ServiceOf,
  health: Health,
  places: KeyPlaces,
): Promise<KeyedEndpoint | undefined> {
  const { command, port } = health;
  const { target, signal } = places;
  if (command !== undefined) return undefined;
  if (port === undefined)
    throw new Error(`service ${of.service} passed the schema but has no port`);
  const opened = await target.endpoint(of, port, signal);
  if (health.apiKey === undefined) return opened;
  let known: Promise<string | undefined> | undefined;
  const apiKey = (): Promise<string | undefined> => {
    known ??= apiKeyOf(of, health, places);
    return known;
  };
  return { ...opened, apiKey };
}

/**
 * Waits until the dependencies of a service are ready, each for as long as it may take to load. A dependency that does
 * not become ready is ignored.
 * @throws StowageError `engine-failed`, `interrupted`
 */
export async function waitForDependencies(
  { release, service }: ServiceOf,
  context: Context & KeyPlaces,
): Promise<void> {
  const { dependsOn } = deployedService({ release, service }, context.target);
  for (const name of dependsOn) {
    const of = { release, service: name };
    const { health } = deployedService(of, context.target);
    if (health === undefined) continue;
    const endpoint = await openEndpoint(of, health, context);
    try {
      const { target, signal } = context;
      const check = readinessCheck({ of, health, endpoint }, { target, way: target.way, signal });
      await becomesReady({ of, health, check }, context);
    } finally {
      await endpoint?.close();
    }
  }
}

async function processRuns(of: ServiceOf, { target, signal }: GateContext): Promise<Outcome> {
  const { state, detail, startedAt } = await target.state(of, signal);
  if (state !== 'running') return `${state} ${detail}`.trim();
  return { passed: startedAt === undefined ? 'running' : `running since ${startedAt}` };
}

/** A text of limited length, made well-formed: a service can answer with half a surrogate pair. */
function brief(text: string, limit = MAX_TEXT): string {
  const cut = text.length > limit ? `${text.slice(0, limit)} ...` : text;
  return cut.toWellFormed();
}

async function failure(
  of: ServiceOf,
  { check, expected, found }: GateResult,
  context: GateContext,
): Promise<StowageError> {
  const { target, site, signal, emit } = context;
  const written = await target.logs(of, ALL_LINES, signal).catch(() => '');
  const { health } = deployedService(of, target);
  const key = health && (await apiKeyOf(of, health, context).catch(() => undefined));
  // Some servers write their settings to the log.
  const log = key === undefined ? written : written.replaceAll(key, REDACTED);
  const kept =
    site === undefined || log === ''
      ? undefined
      : await keepLog(site, of, log, new Date()).catch((error: unknown) => {
          emit({ type: 'warning', message: `the log was not kept: ${messageOf(error)}` });
        });
  const lines =
    'this error lists the first lines with an error and the last lines that the service wrote';
  return new StowageError('gate-failed', `service ${of.service} did not pass the ${check} gate`, {
    expected,
    found,
    hint:
      kept === undefined
        ? `${lines}; send them to the release engineer`
        : `${lines}; send its complete log to the release engineer: ${kept}`,
    defects: tellingLines(log),
  });
}
