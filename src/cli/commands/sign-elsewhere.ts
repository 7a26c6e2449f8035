import { readSignature } from '../../bundle/bundle-files.ts';
import type { Acceptance } from '../../bundle/signing/sign.ts';
import { attachTo, attachToBundle, prepareBundle } from '../../bundle/signing/sign-elsewhere.ts';
import { runSignerCommand } from '../../bundle/signing/signer-command.ts';
import { StowageError } from '../../core/error.ts';
import { readCanonical, writeCanonical } from '../../format/document.ts';
import { signingRequestKind } from '../../format/signing-request.ts';
import { exists, readNamed, remove, writeNew } from '../../io/file.ts';
import { parseCertificate } from '../../trust/certificate.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { type ChosenSigner, type SignOptions, signedResult } from './signing-key.ts';

/** `sign --prepare`: writes a signing request and the bytes to sign, for a token or an HSM. */
export async function prepare(
  folder: string,
  options: SignOptions,
  { identity, name }: ChosenSigner,
  context: CommandContext,
): Promise<CommandResult> {
  const file = context.path(options.prepare ?? '');
  if (file.startsWith(`${context.path(folder)}/`))
    throw usage('the signing request cannot be inside the bundle', 'a path outside it', file);
  const bytes = `${file}.tbs`;
  for (const each of [file, bytes]) if (await exists(each)) throw outputExists(each);
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
  sign ${bytes} with ${algorithm}
  ${digest.algorithm.replace('sha', 'SHA-')} of that file: ${digest.value}
  next: stowage sign --attach ${options.prepare} --signature FILE ${folder}
`,
  };
}

/** `sign --attach`: creates the signature file from the signature of a token or HSM. */
export async function attach(
  folder: string,
  options: SignOptions,
  acceptance: Acceptance,
  context: CommandContext,
): Promise<CommandResult> {
  const request = readCanonical(
    signingRequestKind,
    await readNamed(context.path(options.attach ?? ''), signingRequestKind.maxBytes),
  );
  const signature = await readSignature(context.path(options.signature ?? ''));
  const path = await attachToBundle(context.path(folder), { request, signature }, acceptance);
  return signedResult(path, parseCertificate(Buffer.from(request.certificates[0] ?? '', 'base64')));
}

/** `sign --signer-command`: prepares, runs a program that signs, and attaches. */
export async function signByCommand(
  folder: string,
  options: SignOptions,
  { identity, name, acceptance }: ChosenSigner,
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
  return signedResult(await attachTo(ready, signature, acceptance), identity.certificate);
}

function outputExists(path: string): StowageError {
  return new StowageError('output-exists', `${path} exists already`, {
    expected: 'a new file name',
    found: 'an existing file',
    hint: 'choose another name, or remove the old file',
  });
}
