import { findDiscs } from '../../bundle/discs.ts';
import { readId } from '../../bundle/read-index.ts';
import { placeBeside, signBeside } from '../../bundle/signing/sign-beside.ts';
import { withParts } from '../../content/optional.ts';
import { sriHex, sriOf } from '../../core/digest.ts';
import { exitStatus, StowageError } from '../../core/error.ts';
import { counted, digitsDefect, formatBytes, printableLines } from '../../core/text.ts';
import type { Bundle, BundleBlob } from '../../format/bundle.ts';
import { writeCanonical } from '../../format/document.ts';
import type { LedgerEntry } from '../../format/ledger.ts';
import {
  type Constraint,
  IGNORED,
  LEFT_OUT,
  type Plan,
  POWERS,
  planKind,
} from '../../format/plan.ts';
import { exists, writeNew } from '../../io/file.ts';
import { isRemoteAddress } from '../../remote/address.ts';
import { generationBefore } from '../../site/applying/change-release.ts';
import { findImported } from '../../site/importing/find-imported.ts';
import { previewImport } from '../../site/importing/import.ts';
import { PreviewSite } from '../../site/importing/preview.ts';
import { readLedger } from '../../site/ledger/site-ledger.ts';
import { stateOf } from '../../site/ledger/site-state.ts';
import { returnsOf } from '../../site/planning/constraints/upgrade-path.ts';
import { readPlan } from '../../site/planning/plan-approval.ts';
import { planDigest } from '../../site/planning/plan-identity.ts';
import { type ChangeRequest, propose } from '../../site/planning/propose.ts';
import { chosenBySite } from '../../site/release/chosen-parts.ts';
import { releaseFolder } from '../../site/release/release.ts';
import type { SiteContext, SiteFolder } from '../../site/site-folder.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { formatSeconds } from '../units.ts';
import type { RollbackOptions } from './apply.ts';
import { noticeAmong } from './import-notice.ts';
import { type InstallOptions, importedName, importOptions } from './import-options.ts';
import { type KeyOptions, nameOf, readIdentity, readKey } from './signing-key.ts';
import { openNewSite, openSite } from './site.ts';
import type { UninstallOptions } from './uninstall.ts';

/** The steps of a plan with their reasons, and the services that are interrupted. */
export function planTable(plan: Plan): string {
  const { from, to, steps, outage } = plan;
  const width = Math.max(0, ...steps.map((each) => each.do.action.length));
  const lines = steps.map(({ id, do: { action, release, subject }, reason }) => {
    const what = [release, shortened(subject)].filter((each) => each !== '').join(' ');
    return `  ${String(id).padStart(3)}  ${action.padEnd(width)}  ${what}  (${reason})`;
  });
  const out =
    outage.services.length === 0
      ? 'no service is interrupted'
      : `interrupted for at most ${formatSeconds(outage.seconds)}: ${outage.services.join(', ')}`;
  const head =
    steps.length === 0
      ? `${plan.intent}: nothing to do; generation ${from.number} is already current`
      : to.number === from.number
        ? `${plan.intent}: repair services of generation ${from.number}`
        : from.number === 0
          ? `${plan.intent}: makes generation ${to.number}, the first`
          : `${plan.intent}: generation ${from.number} to generation ${to.number}`;
  const back = returnsOf(plan).map(
    ({ name, from: before, to: after }) => `  ${name} returns from ${before} to ${after}`,
  );
  return printableLines([head, ...back, ...lines, out, ''].join('\n'));
}

// The plan's file has the full digest.
function shortened(subject: string): string {
  return /^[0-9a-f]{64,}$/.test(subject) ? subject.slice(0, 16) : subject;
}

/** The checks of a plan: the failed and overridden ones, or all. What the target ignores, and what charts may do, is always shown. */
export function constraintTable({ constraints }: Plan, all: boolean): string {
  const isNote = ({ rule }: Constraint): boolean => [IGNORED, POWERS, LEFT_OUT].includes(rule);
  const shown = constraints.filter((each) => all || !each.satisfied || isNote(each));
  const lines = shown.map((each) => {
    if (each.rule === POWERS)
      return [`  note        ${each.needs}:`, ...each.found.split('; ')].join('\n                ');
    if (each.rule === IGNORED || each.rule === LEFT_OUT)
      return `  note        ${each.needs}: ${each.found}`;
    const mark = each.satisfied ? 'passed' : each.override === undefined ? 'FAILED' : 'OVERRIDDEN';
    const by =
      each.override === undefined
        ? ''
        : `; overridden by ${each.override.by} until ${each.override.until}: ${each.override.reason}`;
    return `  ${mark.padEnd(10)}  ${each.rule}: ${each.needs}; found: ${each.found}${by}`;
  });
  return printableLines(lines.map((each) => `${each}\n`).join(''));
}

/** The line that states that a plan cannot be applied; empty if it can. */
export function planVerdict({ constraints }: Plan): string {
  const failed = constraints.filter((each) => !each.satisfied && each.override === undefined);
  return failed.length === 0
    ? ''
    : `cannot be applied: ${counted(failed.length, 'check')} failed\n`;
}

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

/**
 * The plan of the installation of a bundle, also where no site is yet. Writes nothing: signatures and control files are
 * verified on the media, and other files when they are imported.
 * @throws StowageError what admission throws; `release-unknown` for a target whose plans need an imported bundle
 */
export async function planBundle(
  places: readonly string[],
  options: InstallOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const opened = await openNewSite(options.root, context);
  const { site, target } = opened;
  const folders = await findDiscs(places);
  const id = await readId(folders[0] ?? '');
  if (await exists(releaseFolder(site, id)))
    return plan(id, options.root === undefined ? {} : { root: options.root }, context);
  if (target.mountsImages === true) throw mustBeImported(places, id);
  const state = stateOf((await readLedger(site)).entries);
  const admitted = await previewImport(
    folders,
    state,
    await importOptions(opened, options, context),
  );
  const preview = { ...opened, site: new PreviewSite(site.root, admitted) };
  const request = { intent: 'install', subject: id } as const;
  const made = await propose(request, state, context.now(), preview);
  const chosen = await chosenBySite(site, admitted.bundle);
  const coming = await missingBlobs(withParts(admitted.bundle, chosen), site);
  const bytes = coming.reduce((sum, { size }) => sum + size, 0);
  const verdict = planVerdict(made);
  const copied = `${counted(coming.length, 'file')}, ${formatBytes(bytes)}, to ${site.root}`;
  return {
    json: { imported: false, import: { files: coming.length, bytes }, plan: made },
    text: [
      `import: ${copied}; the media are verified while they are copied\n`,
      ...[planTable(made), constraintTable(made, false)],
      'nothing was imported or changed\n',
      verdict,
    ].join(''),
    ...(verdict === '' ? {} : { exitStatus: exitStatus.blocked }),
  };
}

async function missingBlobs(
  { blobs }: Bundle,
  { store }: SiteFolder,
): Promise<readonly BundleBlob[]> {
  const missing: BundleBlob[] = [];
  for (const blob of blobs) if ((await store.size(blob.digest)) !== blob.size) missing.push(blob);
  return missing;
}

function mustBeImported(places: readonly string[], id: string): StowageError {
  const place = places.join(' ');
  return new StowageError('release-unknown', `the bundle in ${place} is not imported`, {
    expected: 'an imported bundle: on a cluster, a plan needs its files',
    found: `bundle ${id.slice(0, 16)}, of which nothing was changed or imported`,
    hint: `run stowage import ${place}, which changes no service, and then the same command again`,
  });
}

/** The plan of an installation. Of a bundle that is not imported, only signatures and control files are verified. */
export async function planInstall(
  places: readonly string[],
  options: InstallOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { root } = options;
  const given = root === undefined ? {} : { root };
  const name = await importedName(places, context);
  if (name !== undefined) return plan(name, given, context);
  const elsewhere = places.find((each) => each === '-' || isRemoteAddress(each));
  if (elsewhere !== undefined)
    throw usage(
      '--dry-run needs a release or a folder',
      'NAME, NAME@VERSION or a folder',
      elsewhere,
    );
  if ((await noticeAmong(places, context)) !== undefined)
    throw usage(
      'a notice has no plan: it changes no services',
      'a notice without --dry-run',
      '--dry-run',
      'stowage inspect shows what it says; stowage import imports it',
    );
  const folders = places.map((place) => context.path(place));
  return planBundle(folders, options, context);
}

export interface ApproveOptions extends KeyOptions {
  readonly digest: string;
}

/** Signs a plan, for a site that requires approval. The signature is written next to the plan. */
export async function approve(
  file: string,
  options: ApproveOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const place = context.path(file);
  const { plan, bytes } = await readPlan(place);
  const digest = sriHex(sriOf(bytes));
  const given = options.digest.replace(/[:\s]/g, '').toLowerCase();
  const defect = digitsDefect(given, digest.length, digest.length);
  if (defect !== undefined)
    throw usage('--digest is not a SHA-512 digest', 'as stowage plan prints it', defect);
  if (given !== digest)
    throw usage(
      'the plan does not match --digest',
      given,
      digest,
      'this is not the plan that you reviewed: get that plan, or review this one and compare its SHA-512 with the site',
    );
  const identity = await readIdentity(options, context);
  const name = nameOf(identity, options.name);
  await placeBeside(place, name, bytes);
  const key = await readKey(options.key, options, context);
  const signer = { ...identity, key };
  const path = await signBeside({ file: place, bytes, name, signer, now: context.now() });
  const { subject } = identity.certificate;
  return {
    json: { digest, signature: path, subject },
    text: `${planTable(plan)}approved by ${subject}: ${path}\n`,
  };
}

/** The plan of a rollback. */
export function planRollback(
  options: RollbackOptions,
  context: CommandContext,
): Promise<CommandResult> {
  return plan(undefined, { ...options, rollback: true }, context);
}

/** The plan of removing a release. */
export function planUninstall(
  release: string | undefined,
  { everything = false, root }: UninstallOptions,
  context: CommandContext,
): Promise<CommandResult> {
  if (everything)
    throw usage(
      '--dry-run needs a release',
      'a release',
      '--everything',
      'stowage status shows all releases',
    );
  return plan(release, { uninstall: true, ...(root === undefined ? {} : { root }) }, context);
}
