import { type Acceptance, addSignature, openForSigning } from '../../bundle/signing/sign.ts';
import { requireSigner } from '../../trust/chain.ts';
import { signDetached } from '../../trust/cms-sign.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { attach, prepare, signByCommand } from './sign-elsewhere.ts';
import { type ChosenSigner, checkOptions, type SignOptions, signedResult } from './sign-options.ts';
import { nameOf, readIdentity, readKey } from './signing-key.ts';
import { readTrustFile } from './trust-option.ts';

export async function sign(
  folder: string,
  options: SignOptions,
  context: CommandContext,
): Promise<CommandResult> {
  checkOptions(options);
  const acceptance = await acceptanceOf(options, context);
  if (options.attach !== undefined) return attach(folder, options, acceptance, context);
  const chosen = { ...(await chooseSigner(options, context)), acceptance };
  if (options.prepare !== undefined) return prepare(folder, options, chosen, context);
  if (options.signerCommand !== undefined) return signByCommand(folder, options, chosen, context);
  return signByFile(folder, options, chosen, context);
}

async function signByFile(
  folder: string,
  options: SignOptions,
  { identity, name, acceptance }: ChosenSigner,
  context: CommandContext,
): Promise<CommandResult> {
  const place = context.path(folder);
  const { now } = acceptance;
  const bundle = await openForSigning(place, name);
  requireSigner({ intermediates: [], ...identity, signingTime: now });
  const key = await readKey(options.key ?? '', options, context);
  const signature = signDetached(bundle.checksums, { ...identity, key }, now);
  const path = await addSignature(bundle, signature, acceptance);
  return signedResult(path, identity.certificate);
}

/** Without `--trust`, a signature is checked as far as that is possible without the root. */
async function acceptanceOf(
  { trust, role }: SignOptions,
  context: CommandContext,
): Promise<Acceptance> {
  const now = context.now();
  if (trust === undefined) return { now };
  return { now, by: { trust: (await readTrustFile(trust, context)).trust, role } };
}

async function chooseSigner(
  options: SignOptions,
  context: CommandContext,
): Promise<Omit<ChosenSigner, 'acceptance'>> {
  const { certificate = '', algorithm, name, role } = options;
  const chosen = { certificate, ...(algorithm === undefined ? {} : { algorithm }) };
  const identity = await readIdentity(chosen, context);
  return { identity, name: nameOf(identity, name, role) };
}
