import { recallOf } from '../../bundle/admission/recall.ts';
import { messageOf, StowageError } from '../../core/error.ts';
import { oneLine } from '../../core/text.ts';
import { momentOf } from '../../format/field.ts';
import type { ServiceCommand } from '../../format/override.ts';
import type { DeployedRelease, Generation } from '../../format/plan.ts';
import type { GateResult } from '../../format/receipt.ts';
import type { Change, ServiceName } from '../../target/change.ts';
import type { ServiceOf, Target } from '../../target/target.ts';
import { currentGeneration, installedRelease } from '../generations.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { stateOf } from '../ledger/site-state.ts';
import { makePlan } from '../planning/plan.ts';
import { writeReceipt } from '../receipts/receipt.ts';
import { siteFacts } from '../receipts/site-facts.ts';
import { requireIntact } from '../release/intact.ts';
import { loadRelease, type Release } from '../release/release.ts';
import { untrustedReleases } from '../release/withdrawn.ts';
import { serviceStatus } from '../service-status.ts';
import type { SiteContext } from '../site-folder.ts';
import { findService, stoppedServices, writeStopped } from '../stopped.ts';
import { withSite } from './change.ts';
import { runOperation } from './run-operation.ts';

/** The services that a command is for. */
export interface ServiceSelection {
  /** `NAME`, or `NAME@VERSION` with the version that is installed. */
  readonly release: string;
  /** All services of the release if empty. */
  readonly services: readonly string[];
}

/** A service that a command was for. */
export interface OperatedService extends ServiceName {
  /** Whether it already ran, for `start`, or was stopped, for `stop`: nothing was done. */
  readonly already: boolean;
}

/**
 * Starts, stops or restarts services of the current generation, which stays as it is. A stopped service is noted in the site
 * before it stops, and only a `start` or `restart` removes the note. Before a service stops or starts, the stored files of its
 * release are verified. A started service passes its gate. Every part can be repeated, so a killed command is completed by the
 * same command. If no service has to change, nothing is recorded.
 * @returns the services, each after its dependencies
 * @throws StowageError `release-unknown`, `service-unknown`, `release-recalled`, `blob-damaged`, `gate-failed`, `engine-failed`,
 * `interrupted`
 */
export async function operateServices(
  command: ServiceCommand,
  selection: ServiceSelection,
  options: SiteContext,
): Promise<readonly OperatedService[]> {
  const { site } = options;
  return withSite(options, async (ledger) => {
    const current = await currentGeneration(site);
    const all = withoutSets(selectServices(selection, current, options.target), {
      ...{ command, selection },
      target: options.target,
    });
    if (command !== 'stop') requireNotRecalled(all, ledger);
    const selected = await withoutDone(command, all, current, options);
    const operated = all.map((of) => ({ ...nameOf(of), already: !selected.includes(of) }));
    if (selected.length === 0) return operated;
    const gates: GateResult[] = [];
    const names = selected.map(nameOf);
    if (command !== 'stop') await requireSound(selected, ledger, options);
    try {
      await noteStopped(command, { names, current }, options);
      if (command !== 'start') await stopAll(selected, options);
      if (command !== 'stop') await startAll(names, { current, gates }, options);
    } catch (error) {
      const reason = messageOf(error);
      await append({ command, names, current, failure: reason }, ledger, options);
      throw error;
    }
    await append({ command, names, current }, ledger, options);
    const facts = await siteFacts(current, options);
    const about = { intent: command, outcome: 'kept', gates, ledger: ledger.head } as const;
    await writeReceipt(site, { ...about, running: current, facts }, options.now());
    return operated;
  });
}

function nameOf({ release, service }: ServiceOf): ServiceName {
  return { release: release.name, service };
}

/** The services that a command has something to do for. One that runs and is not ready goes through its gate again. */
async function withoutDone(
  command: ServiceCommand,
  all: readonly ServiceOf[],
  current: Generation,
  options: SiteContext,
): Promise<readonly ServiceOf[]> {
  const { site, target, signal } = options;
  if (command === 'restart') return all;
  const stopped = await stoppedServices(site, current);
  const left: ServiceOf[] = [];
  for (const of of all) {
    const isNoted = findService(stopped, nameOf(of)) !== undefined;
    const isDone =
      command === 'stop'
        ? isNoted && (await target.state(of, signal)).state !== 'running'
        : !isNoted && (await isWorking(of, options));
    if (!isDone) left.push(of);
  }
  return left;
}

/** Whether a service runs as it was applied, and is ready. */
async function isWorking(
  { release, service: name }: ServiceOf,
  context: SiteContext,
): Promise<boolean> {
  const service = context.target.services(release).find((each) => each.name === name);
  if (service === undefined) return false;
  const { state, drift, readiness } = await serviceStatus(release, service, context);
  return state.state === 'running' && drift.length === 0 && readiness?.ready !== false;
}

/**
 * Before a service stops: with damaged files it could not start again. A revoked signer is only a warning, because what is
 * installed can be started.
 */
async function requireSound(
  selected: readonly ServiceOf[],
  { entries }: Ledger,
  options: SiteContext,
): Promise<void> {
  const { site, emit, now } = options;
  const releases = [...new Set(selected.map(({ release }) => release))];
  const ids = releases.map(({ bundle }) => bundle);
  const untrusted = await untrustedReleases(site, ids, stateOf(entries), now());
  for (const { name, version, bundle } of releases) {
    const reason = untrusted.get(bundle);
    if (reason === undefined) continue;
    emit({
      type: 'warning',
      message: `release ${name} ${version} is no longer trusted: ${reason}`,
      hint: 'ask the security officer whether it may run; stowage status names a version to replace it',
    });
  }
  const loaded: Release[] = [];
  for (const id of ids) loaded.push(await loadRelease(site, id));
  await requireIntact(site, loaded, options);
}

/**
 * The named services of an installed release, each after its dependencies; all of them if none is named.
 * @throws StowageError `release-unknown`, `service-unknown`
 */
export function selectServices(
  { release: named, services }: ServiceSelection,
  current: Generation,
  target: Pick<Target, 'services'>,
): ServiceOf[] {
  const release = installedRelease(current, named);
  const { name } = release;
  const existing = target.services(release).map((each) => each.name);
  if (existing.length === 0)
    throw new StowageError('service-unknown', `release ${name} runs no services`, {
      expected: 'a release with services',
      found: 'a release that is only served by a depot',
      hint: 'its content is served while stowage depot runs, which writes its own access log',
    });
  const unknown = services.find((each) => !existing.includes(each));
  if (unknown !== undefined)
    throw new StowageError('service-unknown', `release ${name} has no such service`, {
      expected: existing.join(', '),
      found: unknown,
      hint: 'run stowage status to list the services of each release',
    });
  return existing
    .filter((each) => services.length === 0 || services.includes(each))
    .map((service) => ({ release, service }));
}

/**
 * Objects of charts are applied and not started. Without names, a command is for the other services of the release.
 * @throws StowageError `service-unknown` for objects that are named, or a release of nothing else
 */
function withoutSets(
  selected: readonly ServiceOf[],
  {
    command,
    selection: { release, services: named },
    target,
  }: {
    readonly command: ServiceCommand;
    readonly selection: ServiceSelection;
    readonly target: Pick<Target, 'services'>;
  },
): readonly ServiceOf[] {
  const isSet = ({ release: of, service }: ServiceOf): boolean =>
    target.services(of).some(({ name, powers }) => name === service && powers !== undefined);
  const others = selected.filter((each) => !isSet(each));
  const set = selected.find(isSet);
  if (set === undefined || (named.length === 0 && others.length > 0)) return others;
  throw new StowageError('service-unknown', `stowage ${command} cannot be used for objects`, {
    expected: 'a service: the objects of a chart are applied, and the cluster keeps them running',
    found: `${set.service} of release ${release}, the objects of a chart or of files`,
    hint: 'to remove them, uninstall the release; to apply them again, run stowage install',
  });
}

/** The note comes before the service stops and is removed before it starts: what a person asked for last is kept. */
async function noteStopped(
  command: ServiceCommand,
  { names, current }: { names: readonly ServiceName[]; current: Generation },
  { site, now }: SiteContext,
): Promise<void> {
  const before = await stoppedServices(site, current);
  const others = before.filter((each) => findService(names, each) === undefined);
  const at = momentOf(now());
  const stopped = names.map((each) => findService(before, each) ?? { ...each, at });
  await writeStopped(site, command === 'stop' ? [...others, ...stopped] : others);
}

/** Dependents stop before what they depend on. */
async function stopAll(
  selected: readonly ServiceOf[],
  { target, signal, emit }: SiteContext,
): Promise<void> {
  for (const of of selected.toReversed()) {
    emit({ type: 'step', step: 'stop service', subject: `${of.release.name} ${of.service}` });
    await target.stop(of, signal);
  }
}

/** Runs the steps that a repair of these services has. Services that already run as they were applied are left alone. */
async function startAll(
  names: readonly ServiceName[],
  { current, gates }: { current: Generation; gates: GateResult[] },
  options: SiteContext,
): Promise<void> {
  const { site, target, now, emit } = options;
  const reason = 'a person starts it';
  const repairs = names.map((each) => ({ ...each, running: false, reason }));
  const change: Change = {
    ...{ intent: 'install', from: current, to: current, bundles: new Map() },
    ...{ repairs, stopped: await stoppedServices(site, current) },
  };
  const { name } = await site.site();
  const plan = makePlan({
    ...{ change, subject: '', site: name, madeAt: momentOf(now()), constraints: [], target },
  });
  const context = { ...options, keep: (result: GateResult) => void gates.push(result) };
  for (const step of plan.steps) {
    const { action, release, subject } = step.do;
    const what = action === 'place-files' ? release : `${release} ${subject}`;
    emit({ type: 'step', step: action.replace('-', ' '), subject: what });
    await runOperation(step.do, plan, context);
  }
}

function requireNotRecalled(selected: readonly ServiceOf[], { entries }: Ledger): void {
  const { recalls } = stateOf(entries);
  for (const release of new Set(selected.map((each): DeployedRelease => each.release))) {
    const recall = recallOf(release, recalls);
    if (recall === undefined) continue;
    const what = `release ${release.name} ${release.version}`;
    throw new StowageError('release-recalled', `${what} was recalled`, {
      expected: 'a release that was not recalled',
      found: recall.reason,
      hint: 'install a version that was not recalled, or roll back to one',
    });
  }
}

interface Operated {
  readonly command: ServiceCommand;
  readonly names: readonly ServiceName[];
  readonly current: Generation;
  /** Why the command failed. */
  readonly failure?: string;
}

async function append(
  { command, names, current, failure }: Operated,
  ledger: Ledger,
  { now }: SiteContext,
): Promise<void> {
  const list = names.map(({ release, service }) => `${release} ${service}`).join(', ');
  const detail = oneLine(failure === undefined ? list : `${list}: ${failure}`, 1000);
  const outcome = failure === undefined ? 'kept' : 'failed';
  await ledger.append(
    { kind: 'command', command, outcome, generation: current.number, detail },
    now(),
  );
}
