import { StowageError } from '../../core/error.ts';
import type { ErrorCode } from '../../core/error-table.ts';
import { readCanonical, readJson, writeCanonical } from '../../format/document.ts';
import { type JournalEntry, journalKind } from '../../format/journal.ts';
import { type Plan, planKind, type Step } from '../../format/plan.ts';
import { appendLine, exists, makeFolder, readBounded, remove, writeAtomic } from '../../io/file.ts';
import { gateService, waitForDependencies } from '../gate/gate-service.ts';
import { releaseOf } from '../planning/plan.ts';
import type { SiteFolder } from '../site-folder.ts';
import { type ApplyContext, runOperation } from './run-operation.ts';

/** How a plan ended that a killed command had begun. */
export type Recovery = { readonly plan: Plan; readonly outcome: 'finished' | 'undone' };

/**
 * Carries a plan out, journalled before and after each step. When a step fails, everything begun is undone in
 * reverse, and the old generation runs again. The journal stays until {@link closeApply}: until then the next command
 * takes the plan up again.
 * @throws StowageError `rolled-back` with the failure as its cause; `rollback-failed` when undoing failed too
 */
export async function apply(plan: Plan, context: ApplyContext): Promise<void> {
  const { site } = context;
  await makeFolder(site.path('apply'));
  await remove(journalPath(site));
  await writeAtomic(planPath(site), writeCanonical(planKind, plan));
  for (const step of plan.steps) {
    try {
      await runStep(step, plan, context);
    } catch (failure) {
      const reason = failure instanceof Error ? failure.message : String(failure);
      context.emit({ type: 'failed', reason });
      await undo(plan, step.id, context, failure);
      throw rolledBack(plan, failure, await waitForPreviousGeneration(plan, step.id, context));
    }
  }
}

/**
 * Ends what a killed command had begun: keeps it when every step was done, undoes it otherwise. For
 * {@link closeApply}, too, to end.
 * @returns undefined when nothing was under way
 */
export async function recover(context: ApplyContext): Promise<Recovery | undefined> {
  const { site } = context;
  if (!(await exists(planPath(site)))) {
    await closeApply(site);
    return undefined;
  }
  const plan = readCanonical(planKind, await readBounded(planPath(site), planKind.maxBytes));
  const entries = await readJournal(site);
  const last = plan.steps.at(-1)?.id ?? 0;
  const undoing = entries.some((entry) => entry.state === 'undoing');
  const finished =
    !undoing &&
    (last === 0 || entries.some((entry) => entry.step === last && entry.state === 'done'));
  context.emit({
    type: 'step',
    step: finished ? 'finish' : 'undo',
    subject: `the interrupted ${plan.intent}`,
  });
  if (!finished)
    await undo(plan, Math.max(0, ...entries.map((entry) => entry.step)), context, undefined);
  return { plan, outcome: finished ? 'finished' : 'undone' };
}

async function runStep(step: Step, plan: Plan, context: ApplyContext): Promise<void> {
  const { site, emit } = context;
  await note(site, { step: step.id, state: 'begun' });
  emit({ type: 'step', step: step.do.action, subject: subjectOf(step) });
  await runOperation(step.do, plan, context);
  await note(site, { step: step.id, state: 'done' });
}

/** Undoes the steps up to `last`, backwards. An interrupt does not stop this: half undone is worse than late. */
async function undo(
  plan: Plan,
  last: number,
  context: ApplyContext,
  failure: unknown,
): Promise<void> {
  const { site, emit } = context;
  const steadfast = { ...context, signal: new AbortController().signal };
  for (const step of plan.steps.toReversed()) {
    if (step.id > last || step.undo === undefined) continue;
    emit({ type: 'step', step: `undo ${step.do.action}`, subject: subjectOf(step) });
    try {
      await note(site, { step: step.id, state: 'undoing' });
      if (stopsOldService(step)) await readyFor(step, plan, steadfast);
      await runOperation(step.undo, plan, steadfast);
      await note(site, { step: step.id, state: 'undone' });
    } catch (cause) {
      throw rollbackFailed(step, cause, failure);
    }
  }
}

/** Whether a step takes a service of the old generation away, so that undoing it brings the service back. */
function stopsOldService(step: Step): step is Step & { readonly service: string } {
  return step.service !== undefined && step.do.side === 'from';
}

/** An old service, too, is started when those it depends on are ready. */
async function readyFor(
  step: Step & { readonly service: string },
  plan: Plan,
  context: ApplyContext,
): Promise<void> {
  await waitForDependencies({ release: releaseOf(plan, step.do), service: step.service }, context);
}

/**
 * Waits until the services that were stopped and started again answer as they did.
 * @returns what does not answer, in words; undefined when all does
 */
async function waitForPreviousGeneration(
  plan: Plan,
  last: number,
  context: ApplyContext,
): Promise<string | undefined> {
  const steadfast = { ...context, signal: new AbortController().signal, keep: () => {} };
  for (const step of plan.steps.toReversed()) {
    if (step.id > last || !stopsOldService(step)) continue;
    context.emit({ type: 'step', step: 'wait for the old generation', subject: subjectOf(step) });
    try {
      await gateService({ release: releaseOf(plan, step.do), service: step.service }, steadfast);
    } catch (error) {
      const found = error instanceof Error ? error.message : String(error);
      context.emit({
        type: 'warning',
        message: `the old generation was started again, and does not answer: ${found}`,
        hint: 'look at its log: it answered when it was installed',
      });
      return found;
    }
  }
  return undefined;
}

function subjectOf(step: Step): string {
  const { release, subject, action } = step.do;
  if (action === 'place-files' || action === 'remove-files') return release;
  return [release, subject].filter((each) => each !== '').join(' ');
}

/** Forgets a plan that was carried out or undone, once that is written down elsewhere. */
// The plan goes first: a journal without a plan means nothing, a plan without its journal would mislead.
export async function closeApply(site: SiteFolder): Promise<void> {
  await remove(planPath(site));
  await remove(site.path('apply'));
}

async function note(site: SiteFolder, entry: JournalEntry): Promise<void> {
  await appendLine(journalPath(site), writeCanonical(journalKind, entry).toString());
}

async function readJournal(site: SiteFolder): Promise<JournalEntry[]> {
  if (!(await exists(journalPath(site)))) return [];
  const bytes = await readBounded(journalPath(site), planKind.maxBytes);
  // What follows the last line feed was cut by a failure: that entry never counted, and the next must not join it.
  const whole = bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1);
  if (whole.length < bytes.length) await writeAtomic(journalPath(site), whole);
  const lines = whole.toString('utf8').split('\n').slice(0, -1);
  return lines.map((line) => readJson(journalKind, Buffer.from(line)));
}

function rolledBack(plan: Plan, failure: unknown, silent: string | undefined): StowageError {
  const cause = failure instanceof StowageError ? failure : undefined;
  const code: ErrorCode = cause?.code === 'interrupted' ? 'interrupted' : 'rolled-back';
  const now = standing(plan, silent);
  return new StowageError(
    code,
    `the ${plan.intent} was rolled back: ${cause?.message ?? String(failure)}; ${now}`,
    {
      ...(cause?.expected === undefined ? {} : { expected: cause.expected }),
      ...(cause?.found === undefined ? {} : { found: cause.found }),
      hint: cause?.hint ?? 'send the message above to the release engineer',
      defects: cause?.defects ?? [],
      cause: failure,
    },
  );
}

function standing(plan: Plan, silent: string | undefined): string {
  if (plan.from.releases.length === 0) return 'nothing runs, as before';
  const generation = `generation ${plan.from.number}`;
  return silent === undefined
    ? `${generation} runs as before`
    : `${generation} was started again, but ${silent}`;
}

function rollbackFailed(step: Step, cause: unknown, failure: unknown): StowageError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new StowageError(
    'rollback-failed',
    `step ${step.id} (${step.do.action}) could not be undone: ${why}`,
    {
      expected: 'the old generation running',
      found: 'a site between two generations',
      hint: 'mend what the message names, then run stowage status: the next command goes on undoing',
      cause: failure ?? cause,
    },
  );
}

function planPath(site: SiteFolder): string {
  return site.path('apply', 'plan.json');
}

function journalPath(site: SiteFolder): string {
  return site.path('apply', 'journal');
}
