import { basename } from 'node:path';
import { placeBeside, signBeside } from '../../bundle/signing/sign-beside.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { type KeyOptions, nameOf, readIdentity, readKey } from './signing-key.ts';
import { readDocument } from './trust-option.ts';

/** Signs a trust document; writes `FILE.NAME.p7s`. */
export async function trustSign(
  file: string,
  options: KeyOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const path = context.path(file);
  const { trust, bytes } = await readDocument(file, context);
  const { version } = trust;
  const identity = await readIdentity(options, context);
  const name = nameOf(identity, options.name);
  await placeBeside(path, name, bytes);
  const key = await readKey(options.key, options, context);
  const signer = { ...identity, key };
  const signature = await signBeside({ file: path, bytes, name, signer, now: context.now() });
  const { subject, serial, issuer } = identity.certificate;
  return {
    json: { signature, version, subject, serial, issuer },
    text: `${signature}\n  trust document ${version} (${basename(path)}) signed by ${subject}\n  certificate ${serial}, issued by ${issuer}\n`,
  };
}
