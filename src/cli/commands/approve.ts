import { placeBeside, signBeside } from '../../bundle/signing/sign-beside.ts';
import { sriHex, sriOf } from '../../core/digest.ts';
import { digitsDefect } from '../../core/text.ts';
import { readPlan } from '../../site/planning/plan-approval.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { planTable } from './plan-text.ts';
import { type KeyOptions, nameOf, readIdentity, readKey } from './signing-key.ts';

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
