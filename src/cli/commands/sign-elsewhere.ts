import { attachTo, attachToBundle, prepareBundle } from '../../bundle/signing/sign-elsewhere.ts';
import { runSignerCommand } from '../../bundle/signing/signer-command.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_SIGNATURE_BYTES } from '../../core/limits.ts';
import { readCanonical, writeCanonical } from '../../format/document.ts';
import { signingRequestKind } from '../../format/signing-request.ts';
import { exists, readBounded, remove, writeNew } from '../../io/file.ts';
import { parseCertificate } from '../../trust/certificate.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { type ChosenSigner, type SignOptions, signedResult } from './sign-options.ts';

/** `sign --prepare`: the signing request, and beside it the bytes to sign, for a token or an HSM. */
export async function prepare(
  folder: string,
  options: SignOptions,
  { identity, name }: ChosenSigner,
  context: CommandContext,
): Promise<CommandResult> {
  const file = context.path(options.prepare ?? '');
  if (file.startsWith(`${context.path(folder)}/`))
    throw usage('the signing request would lie in the bundle', 'a file outside of it', file);
  const bytes = `${file}.tbs`;
  for (const each of [file, bytes]) if (await exists(each)) throw inTheWay(each);
  const { request } = await prepareBundle(context.path(folder), name, identity, context.now());
  await writeNew(file, writeCanonical(signingRequestKind, request));
  try {
    await writeNew(bytes, Buffer.from(request.toBeSigned, 'base64'));
  } catch (error) {
    await remove(file);
    throw error;
  }
  const { algorithm, digest, signingTime } = request;
  return {
    json: { request: file, toBeSigned: bytes, algorithm, digest, signingTime, name },
    text: `${file}
  ${bytes} holds the bytes to sign with ${algorithm}
  their ${digest.algorithm.replace('sha', 'SHA-')}: ${digest.value}
  then: stowage sign --attach ${options.prepare} --signature FILE ${folder}
`,
  };
}

/** `sign --attach`: what the token or HSM answered becomes a signature file. */
export async function attach(
  folder: string,
  options: SignOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const request = readCanonical(
    signingRequestKind,
    await readBounded(context.path(options.attach ?? ''), signingRequestKind.maxBytes),
  );
  const signature = await readBounded(context.path(options.signature ?? ''), MAX_SIGNATURE_BYTES);
  const path = await attachToBundle(context.path(folder), request, signature);
  return signedResult(path, parseCertificate(Buffer.from(request.certificates[0] ?? '', 'base64')));
}

/** `sign --signer-command`: both at once, with a program between them. */
export async function signByCommand(
  folder: string,
  options: SignOptions,
  { identity, name }: ChosenSigner,
  context: CommandContext,
): Promise<CommandResult> {
  const ready = await prepareBundle(context.path(folder), name, identity, context.now());
  const command = { program: options.signerCommand ?? '', args: options.signerArgument };
  const signature = await runSignerCommand(ready.request, command, {
    env: context.terminal.env,
    signal: context.signal,
    timeoutMs: options.signerTimeout * 1000,
    stderr: context.terminal.stderr,
  });
  return signedResult(await attachTo(ready, signature), identity.certificate);
}

function inTheWay(path: string): StowageError {
  return new StowageError('output-exists', `${path} exists already`, {
    expected: 'a name that is free',
    found: 'a file',
    hint: 'name another file, or remove the old one',
  });
}
