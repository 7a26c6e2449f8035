import { placeBeside, signBeside } from '../../bundle/signing/sign-beside.ts';
import { sriHex, sriOf } from '../../core/digest.ts';
import { digitsDefect, printableLines } from '../../core/text.ts';
import { applyPlan } from '../../site/applying/apply-plan.ts';
import { grantOverride } from '../../site/applying/grant-override.ts';
import { rollback as rollBack } from '../../site/applying/rollback.ts';
import { readPlan } from '../../site/planning/plan-approval.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { planTable } from './plan.ts';
import { type KeyOptions, nameOf, readIdentity, readKey } from './signing-key.ts';
import { changeResult, openSite } from './site.ts';

/** Applies a plan that `stowage plan --output` wrote. */
export async function apply(
  file: string,
  options: { readonly root?: string },
  context: CommandContext,
): Promise<CommandResult> {
  const written = await readPlan(context.path(file));
  const opened = await openSite(options.root, context);
  return changeResult(await applyPlan(written, opened), opened.target);
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

export interface OverrideOptions {
  readonly by: string;
  readonly reason: string;
  readonly until: string;
  readonly root?: string;
}

/** Temporarily overrides a failed check. The ledger, plans and receipts record who is responsible. */
export async function override(
  rule: string,
  { by, reason, until, root }: OverrideOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const granted = await grantOverride({ rule, by, reason, until }, await openSite(root, context));
  return {
    json: { override: granted },
    text: printableLines(
      `check ${rule} is overridden until ${until}; recorded in the ledger under ${by}\n`,
    ),
  };
}

export interface RollbackOptions {
  readonly to?: number;
  readonly dryRun?: boolean;
  readonly rehash?: boolean;
  readonly root?: string;
}

/** Returns to an earlier generation; with `dryRun`, only shows the plan. */
export async function rollback(
  options: RollbackOptions,
  context: CommandContext,
): Promise<CommandResult> {
  if (options.dryRun === true) {
    const { plan } = await import('./plan.ts');
    return plan(undefined, { ...options, rollback: true }, context);
  }
  const site = await openSite(options.root, context);
  const opened = { ...site, rehash: options.rehash ?? false };
  return changeResult(await rollBack(options.to, opened), opened.target);
}
