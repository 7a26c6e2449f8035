import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readSignature } from '../../bundle/bundle-files.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_SIGNATURES } from '../../core/limits.ts';
import { readCanonical } from '../../format/document.ts';
import { type Plan, planKind } from '../../format/plan.ts';
import type { Trust } from '../../format/trust.ts';
import { ioError, readNamed } from '../../io/file.ts';
import { evaluateSignatures } from '../../trust/policy.ts';
import type { SignatureFile } from '../../trust/signature-file.ts';

/** A plan in a file, with the signatures next to it: `FILE.<name>.p7s`. */
export interface WrittenPlan {
  readonly plan: Plan;
  /** The signed bytes. */
  readonly bytes: Buffer;
  readonly approvals: readonly SignatureFile[];
}

/** @throws StowageError `file-missing`, `state-damaged` for a file that is not a plan */
export async function readPlan(file: string): Promise<WrittenPlan> {
  const bytes = await readNamed(file, planKind.maxBytes);
  const plan = readCanonical(planKind, bytes);
  const approvals: SignatureFile[] = [];
  const names = await readdir(dirname(file)).catch((error: unknown) => {
    throw ioError(error, dirname(file));
  });
  const stem = `${basename(file)}.`;
  const found = names.filter((each) => each.startsWith(stem) && each.endsWith('.p7s')).toSorted();
  for (const each of found.slice(0, MAX_SIGNATURES + 1)) {
    const path = join(dirname(file), each);
    approvals.push({ name: each, bytes: await readSignature(path) });
  }
  return { plan, bytes, approvals };
}

/**
 * Who approved a plan, by the names in their certificates.
 * @throws StowageError `plan-unapproved` without a signature, and those of {@link evaluateSignatures}
 */
export function requireApproved(written: WrittenPlan, trust: Trust, now: Date): string[] {
  if (written.approvals.length === 0) throw unapproved(written.plan);
  const verdicts = evaluateSignatures(
    trust,
    'approval',
    { content: written.bytes, signatures: written.approvals },
    now,
  );
  return verdicts.filter((each) => each.counted).map((each) => each.subject);
}

export function unapproved(plan: Plan): StowageError {
  return new StowageError('plan-unapproved', 'this site requires approval of plans', {
    expected: 'a signature with the role approval next to the plan',
    found: 'none',
    hint: `write the plan with stowage plan ${planArguments(plan)} --output FILE, have it approved with stowage approve FILE, then run stowage apply FILE`,
  });
}

/** The arguments that make the same plan. */
function planArguments({ intent, subject, to }: Plan): string {
  if (intent === 'rollback') return `--rollback --to ${subject}`;
  if (intent === 'uninstall') return `${subject} --uninstall`;
  const release = to.releases.find(({ bundle }) => bundle === subject);
  return release === undefined ? subject.slice(0, 16) : `${release.name}@${release.version}`;
}
