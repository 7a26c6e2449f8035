import { exitStatus } from '../../core/error.ts';
import { writeCanonical } from '../../format/document.ts';
import type { LedgerEntry } from '../../format/ledger.ts';
import { planKind } from '../../format/plan.ts';
import { writeNew } from '../../io/file.ts';
import { generationBefore } from '../../site/applying/rollback.ts';
import { findImported } from '../../site/importing/find-imported.ts';
import { readLedger } from '../../site/ledger/site-ledger.ts';
import { stateOf } from '../../site/ledger/site-state.ts';
import { planDigest } from '../../site/planning/plan-identity.ts';
import { type ChangeRequest, propose } from '../../site/planning/propose.ts';
import type { SiteContext } from '../../site/site-context.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { constraintTable, planTable, planVerdict } from './plan-text.ts';
import { openSite } from './site.ts';

export interface PlanOptions {
  readonly rollback?: boolean;
  readonly to?: number;
  readonly uninstall?: boolean;
  readonly explain?: boolean;
  readonly output?: string;
  readonly root?: string;
}

/** Plans a change and checks whether it is allowed. Writes nothing but `--output`. */
export async function plan(
  release: string | undefined,
  options: PlanOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await openSite(options.root, context);
  const { entries } = await readLedger(opened.site);
  const request = await requestOf(release, options, { ...opened, entries });
  const made = await propose(request, stateOf(entries), context.now(), opened);
  const digest = planDigest(made);
  const lines = [planTable(made), constraintTable(made, options.explain === true)];
  lines.push(`SHA-512 of this plan, made ${made.madeAt}: ${digest}\n`);
  if (options.output !== undefined) {
    const file = context.path(options.output);
    await writeNew(file, writeCanonical(planKind, made));
    lines.push(`written to ${file}\n`);
  }
  const verdict = planVerdict(made);
  return {
    json: { digest, plan: made },
    text: lines.join('') + verdict,
    ...(verdict === '' ? {} : { exitStatus: exitStatus.blocked }),
  };
}

async function requestOf(
  release: string | undefined,
  { rollback = false, uninstall = false, to }: PlanOptions,
  { site, emit, entries }: SiteContext & { readonly entries: readonly LedgerEntry[] },
): Promise<ChangeRequest> {
  if (rollback && uninstall)
    throw usage('conflicting options', '--rollback or --uninstall', 'both');
  if (to !== undefined && !rollback)
    throw usage('--to needs --rollback', '--rollback --to N', '--to alone');
  if (rollback) {
    if (release !== undefined)
      throw usage('a rollback applies to the whole site', 'no release', release);
    return { intent: 'rollback', subject: String(to ?? (await generationBefore(site, entries))) };
  }
  if (release === undefined)
    throw usage(
      'no release given',
      'NAME or NAME@VERSION',
      'none',
      'stowage status lists the releases; for a rollback, add --rollback',
    );
  if (uninstall) return { intent: 'uninstall', subject: release };
  return { intent: 'install', subject: (await findImported(release, entries, { site, emit })).id };
}
