import { openForSigning, signBundle } from '../../bundle/signing/sign.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { attach, prepare, signByCommand } from './sign-elsewhere.ts';
import { type ChosenSigner, checkOptions, type SignOptions, signedResult } from './sign-options.ts';
import { nameOf, readIdentity, readKey } from './signing-key.ts';

export async function sign(
  folder: string,
  options: SignOptions,
  context: CommandContext,
): Promise<CommandResult> {
  checkOptions(options);
  if (options.attach !== undefined) return attach(folder, options, context);
  const chosen = await chooseSigner(options, context);
  if (options.prepare !== undefined) return prepare(folder, options, chosen, context);
  if (options.signerCommand !== undefined) return signByCommand(folder, options, chosen, context);
  return signByFile(folder, options, chosen, context);
}

async function signByFile(
  folder: string,
  options: SignOptions,
  { identity, name }: ChosenSigner,
  context: CommandContext,
): Promise<CommandResult> {
  const place = context.path(folder);
  await openForSigning(place, name);
  const key = await readKey(options.key ?? '', options, context);
  const path = await signBundle(place, name, { ...identity, key }, context.now());
  return signedResult(path, identity.certificate);
}

async function chooseSigner(options: SignOptions, context: CommandContext): Promise<ChosenSigner> {
  const { certificate = '', algorithm, name, role } = options;
  const chosen = { certificate, ...(algorithm === undefined ? {} : { algorithm }) };
  const identity = await readIdentity(chosen, context);
  return { identity, name: nameOf(identity, name, role) };
}
