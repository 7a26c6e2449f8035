import { type ErrorCode, messageOf, StowageError } from '../../core/error.ts';
import { readCanonical, readJson, writeCanonical } from '../../format/document.ts';
import { type Plan, planKind, type Step } from '../../format/plan.ts';
import { type JournalEntry, journalKind } from '../../format/site-state.ts';
import { appendLine, exists, readBounded, remove, writeAtomic } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { gateService, waitForDependencies } from '../gate/gate-service.ts';
import { releaseOf } from '../planning/plan.ts';
import type { SiteFolder } from '../site-folder.ts';
import { type ApplyContext, runOperation } from './run-operation.ts';

/** The plan of a killed command, and how it ended. */
export type Recovery = { readonly plan: Plan; readonly outcome: 'finished' | 'undone' };

/**
 * Executes a plan, with a journal entry before and after each step. If a step fails, undoes all steps in reverse and
 * restores the previous generation. The journal stays until {@link closeApply}; until then, the next command recovers the
 * plan.
 * @throws StowageError `rolled-back` with the failure as its cause; `rollback-failed` when undoing fails as well;
 * `apply-unfinished` when only the removal of the old generation failed
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
      if (isRetiring(step, plan)) throw unfinished(plan, step, failure);
      const reason = messageOf(failure);
      context.emit({ type: 'failed', reason });
      await undo(plan, step.id, context, failure);
      throw rolledBack(plan, failure, await waitForPreviousGeneration(plan, step.id, context));
    }
  }
}

/**
 * Finishes the plan of a killed command if every step was done that can be undone, and undoes it otherwise. The caller then
 * calls {@link closeApply}.
 * @returns undefined when no plan was interrupted
 * @throws StowageError `rollback-failed`, `apply-unfinished`
 */
export async function recover(context: ApplyContext): Promise<Recovery | undefined> {
  const { site } = context;
  if (!(await exists(planPath(site)))) {
    await closeApply(site);
    return undefined;
  }
  const plan = readCanonical(planKind, await readBounded(planPath(site), planKind.maxBytes));
  const entries = await readJournal(site);
  const undoing = entries.some((entry) => entry.state === 'undoing');
  const isDone = ({ id }: Step): boolean =>
    entries.some((entry) => entry.step === id && entry.state === 'done');
  const open = plan.steps.filter((step) => !isDone(step));
  const finished = !undoing && open.every((step) => isRetiring(step, plan));
  context.emit({
    type: 'step',
    step: finished ? 'finish' : 'undo',
    subject: `the interrupted ${plan.intent}`,
  });
  if (!finished)
    await undo(plan, Math.max(0, ...entries.map((entry) => entry.step)), context, undefined);
  else for (const step of open) await retire(step, plan, context);
  return { plan, outcome: finished ? 'finished' : 'undone' };
}

/** Whether a step removes what the generation before had, after the new one became current: it is never undone. */
function isRetiring(step: Step, { steps }: Plan): boolean {
  const last = steps.findLastIndex(({ undo: back, do: { side } }) => {
    return back !== undefined || side !== 'from';
  });
  return steps.indexOf(step) > last;
}

async function retire(step: Step, plan: Plan, context: ApplyContext): Promise<void> {
  try {
    await runStep(step, plan, context);
  } catch (failure) {
    throw unfinished(plan, step, failure);
  }
}

async function runStep(step: Step, plan: Plan, context: ApplyContext): Promise<void> {
  const { site, emit } = context;
  await appendJournal(site, { step: step.id, state: 'begun' });
  emit({ type: 'step', step: step.do.action, subject: subjectOf(step) });
  await runOperation(step.do, plan, context);
  await appendJournal(site, { step: step.id, state: 'done' });
}

/** Undoes the steps up to `last` in reverse. Cannot be interrupted: a partial rollback is worse than a delay. */
async function undo(
  plan: Plan,
  last: number,
  context: ApplyContext,
  failure: unknown,
): Promise<void> {
  const { site, emit } = context;
  const uninterruptible = { ...context, signal: new AbortController().signal };
  for (const step of plan.steps.toReversed()) {
    if (step.id > last || step.undo === undefined) continue;
    emit({ type: 'step', step: `undo ${step.do.action}`, subject: subjectOf(step) });
    try {
      await appendJournal(site, { step: step.id, state: 'undoing' });
      if (stopsOldService(step)) await waitForDependenciesOf(step, plan, uninterruptible);
      await runOperation(step.undo, plan, uninterruptible);
      await appendJournal(site, { step: step.id, state: 'undone' });
    } catch (cause) {
      throw rollbackFailed(step, cause, failure);
    }
  }
}

/** Whether a step stops a service of the previous generation, so that undoing it starts the service. */
function stopsOldService(step: Step): step is Step & { readonly service: string } {
  return step.service !== undefined && step.do.side === 'from';
}

/** Services of the previous generation also start only after their dependencies are ready. */
async function waitForDependenciesOf(
  step: Step & { readonly service: string },
  plan: Plan,
  context: ApplyContext,
): Promise<void> {
  await waitForDependencies({ release: releaseOf(plan, step.do), service: step.service }, context);
}

/**
 * Waits until the services of the previous generation that were stopped are ready again.
 * @returns why one is not ready; undefined when all are
 */
async function waitForPreviousGeneration(
  plan: Plan,
  last: number,
  context: ApplyContext,
): Promise<string | undefined> {
  const uninterruptible = { ...context, signal: new AbortController().signal, keep: () => {} };
  for (const step of plan.steps.toReversed()) {
    if (step.id > last || !stopsOldService(step)) continue;
    context.emit({ type: 'step', step: 'wait for the old generation', subject: subjectOf(step) });
    try {
      await gateService(
        { release: releaseOf(plan, step.do), service: step.service },
        uninterruptible,
      );
    } catch (error) {
      const found = messageOf(error);
      context.emit({
        type: 'warning',
        message: `the previous generation was restarted, but is not ready: ${found}`,
        hint: 'check the log of the service: it was ready when it was installed',
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

/** Removes the plan and its journal, after its outcome was recorded. */
// The plan goes first: a journal without a plan is ignored, a plan without its journal would be misread.
export async function closeApply(site: SiteFolder): Promise<void> {
  await remove(planPath(site));
  await remove(site.path('apply'));
}

async function appendJournal(site: SiteFolder, entry: JournalEntry): Promise<void> {
  await appendLine(journalPath(site), writeCanonical(journalKind, entry).toString());
}

async function readJournal(site: SiteFolder): Promise<JournalEntry[]> {
  if (!(await exists(journalPath(site)))) return [];
  const bytes = await readBounded(journalPath(site), planKind.maxBytes);
  // A kill can leave an incomplete last line: it does not count, and the next entry must not be appended to it.
  const whole = bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1);
  if (whole.length < bytes.length) await writeAtomic(journalPath(site), whole);
  const lines = whole.toString('utf8').split('\n').slice(0, -1);
  return lines.map((line) => readJson(journalKind, Buffer.from(line)));
}

function rolledBack(plan: Plan, failure: unknown, notReady: string | undefined): StowageError {
  const cause = failure instanceof StowageError ? failure : undefined;
  const code: ErrorCode = cause?.code === 'interrupted' ? 'interrupted' : 'rolled-back';
  const now = stateAfter(plan, notReady);
  return new StowageError(
    code,
    `the ${plan.intent} was rolled back: ${messageOf(failure)}; ${now}`,
    {
      ...(cause?.expected === undefined ? {} : { expected: cause.expected }),
      ...(cause?.found === undefined ? {} : { found: cause.found }),
      hint: cause?.hint ?? 'send the message above to the release engineer',
      defects: cause?.defects ?? [],
      cause: failure,
    },
  );
}

function stateAfter(plan: Plan, notReady: string | undefined): string {
  if (plan.from.releases.length === 0) return 'no release is installed';
  const generation = `generation ${plan.from.number}`;
  if (plan.to.number === plan.from.number) return `${generation} is still current`;
  return notReady === undefined
    ? `${generation} was restored`
    : `${generation} was restarted, but ${notReady}`;
}

function rollbackFailed(step: Step, cause: unknown, failure: unknown): StowageError {
  const why = messageOf(cause);
  const reason = cause instanceof StowageError ? cause.found : undefined;
  return new StowageError(
    'rollback-failed',
    `step ${step.id} (${step.do.action}) could not be undone: ${why}`,
    {
      expected: 'the previous generation running',
      found: reason === undefined ? 'a site between two generations' : reason,
      hint: 'fix the problem in this message, then repeat the command: it first completes the rollback',
      cause: failure ?? cause,
    },
  );
}

function unfinished({ to }: Plan, step: Step, failure: unknown): StowageError {
  const cause = failure instanceof StowageError ? failure : undefined;
  return new StowageError(
    'apply-unfinished',
    `generation ${to.number} is current, but step ${step.id} (${step.do.action}) failed: ${messageOf(failure)}`,
    {
      expected: cause?.expected ?? 'nothing left of the generation before',
      found: cause?.found ?? 'objects of the generation before',
      hint: `${cause?.hint ?? 'fix the problem in this message'}; the next command of this site removes the rest`,
      cause: failure,
    },
  );
}

function planPath(site: SiteFolder): string {
  return site.path('apply', 'plan.json');
}

function journalPath(site: SiteFolder): string {
  return site.path('apply', 'journal');
}
