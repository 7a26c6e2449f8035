import { admit } from '../../deploy/admit.ts';
import { verifyParts } from '../../deploy/verify.ts';
import { bundleBytes, bundleFiles } from '../../format/bundle.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { formatBytes } from '../units.ts';
import { signerLines } from './signers.ts';
import { readTrustFile } from './trust-option.ts';

export async function verify(
  folder: string,
  options: { readonly trust: string },
  context: CommandContext,
): Promise<CommandResult> {
  const given = await readTrustFile(options.trust, context);
  const admitted = await admit(context.path(folder), { ...context, trust: given.trust });
  await verifyParts(admitted, context);
  const { bundle, id, signers } = admitted;
  const files = bundleFiles(bundle).length + 1;
  const bytes = bundleBytes(bundle);
  return {
    json: {
      verified: true,
      name: bundle.name,
      version: bundle.version,
      seq: bundle.seq,
      id,
      files,
      bytes,
      signers,
      trust: given.fingerprint,
    },
    text: [
      `${bundle.name} ${bundle.version} is whole and signed`,
      `  ${files} files, ${formatBytes(bytes)}, each compared with its SHA-512`,
      ...signerLines(signers),
      `  trust: ${given.subject}, SHA-256 ${given.fingerprint}`,
      `  SHA-512 of SHA512SUMS: ${id}`,
      '',
    ].join('\n'),
  };
}
