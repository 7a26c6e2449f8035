import type { KeyObject } from 'node:crypto';
import { type Acceptance, signatureName } from '../../bundle/signing/sign.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_CERTIFICATE_BYTES } from '../../core/limits.ts';
import { SIGNATURE_NAME } from '../../format/signing-request.ts';
import type { AlgorithmName } from '../../format/trust.ts';
import { readNamed } from '../../io/file.ts';
import type { Certificate } from '../../trust/certificate.ts';
import { decodeCertificates } from '../../trust/certificate-file.ts';
import type { Signer, SignerIdentity } from '../../trust/cms-sign.ts';
import { decodePrivateKey } from '../../trust/key.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { type PassphraseOptions, passphraseOf } from './passphrase.ts';

/** The signer and the name of the signature. */
export interface SignerOptions {
  readonly certificate: string;
  readonly name?: string;
  readonly algorithm?: AlgorithmName;
}

/** The same, with the key in a file. */
export interface KeyOptions extends SignerOptions, PassphraseOptions {
  readonly key: string;
}

/** The signer without the key, which is opened only after all other checks. */
export type Identity = Omit<Signer, 'key'>;

/** @throws StowageError `certificate-invalid`, `file-missing` */
export async function readIdentity(
  { certificate: file, algorithm }: Pick<SignerOptions, 'certificate' | 'algorithm'>,
  context: CommandContext,
): Promise<Identity> {
  const bytes = await readNamed(context.path(file), 4 * MAX_CERTIFICATE_BYTES);
  const [certificate, ...intermediates] = decodeCertificates(bytes);
  if (certificate === undefined)
    throw new StowageError('certificate-invalid', 'no certificate in the certificate file', {
      expected: 'the certificate of the key, followed by its intermediates',
      found: 'none',
      hint: 'give the certificate that belongs to the key',
    });
  return { certificate, intermediates, ...(algorithm === undefined ? {} : { algorithm }) };
}

/** The name of a signature: as given, or from the certificate. @throws StowageError `usage-invalid` */
export function nameOf(
  { certificate }: Identity,
  asked: string | undefined,
  role?: Parameters<typeof signatureName>[1],
): string {
  const name = asked ?? signatureName(certificate.subject, role);
  if (SIGNATURE_NAME.test(name)) return name;
  throw usage('invalid signature name', 'lower-case letters, digits and hyphens', name);
}

/**
 * Opens a key file. Prompts for the passphrase if needed, and clears it afterwards.
 * @throws StowageError `key-invalid`, `file-missing`
 */
export async function readKey(
  file: string,
  options: PassphraseOptions,
  context: CommandContext,
): Promise<KeyObject> {
  const pem = await readNamed(context.path(file), MAX_CERTIFICATE_BYTES);
  const passphrase = await passphraseOf(pem, file, options, context);
  try {
    return decodePrivateKey(pem, passphrase);
  } finally {
    passphrase?.fill(0);
  }
}

export interface SignOptions extends PassphraseOptions {
  readonly certificate?: string;
  readonly role: 'release' | 'approval';
  /** Trust document or root certificate that must count the signature. */
  readonly trust?: string;
  readonly name?: string;
  readonly algorithm?: AlgorithmName;
  /** Exactly one of these four is given. */
  readonly key?: string;
  readonly prepare?: string;
  readonly attach?: string;
  readonly signerCommand?: string;
  readonly signature?: string;
  readonly signerArgument: readonly string[];
  readonly signerTimeout: number;
}

/** The signer and the name of the signature, from the options. */
export interface ChosenSigner {
  readonly identity: SignerIdentity;
  readonly name: string;
  readonly acceptance: Acceptance;
}

/** The result of adding a signature. */
export function signedResult(path: string, certificate: Certificate): CommandResult {
  const { subject, serial, issuer } = certificate;
  return {
    json: { signature: path, subject, serial, issuer },
    text: `${path}\n  signed by ${subject}\n  certificate ${serial}, issued by ${issuer}\n`,
  };
}

/** Checks which options are combined. @throws StowageError `usage-invalid` */
export function checkOptions(options: SignOptions): void {
  const ways = (['key', 'prepare', 'attach', 'signerCommand'] as const).filter(
    (each) => options[each] !== undefined,
  );
  if (ways.length !== 1)
    throw usage(
      'give exactly one of --key, --prepare, --attach, --signer-command',
      'exactly one of them',
      ways.length === 0 ? 'none' : `${ways.length}`,
    );
  const [way] = ways;
  const misplaced = (Object.entries(onlyWith) as [keyof SignOptions, string[]][]).find(
    ([option, allowed]) => given(options, option) && !allowed.includes(way ?? ''),
  );
  if (misplaced !== undefined)
    throw usage(
      'conflicting options',
      `${flag(misplaced[0])} with ${misplaced[1].map(flag).join(' or ')}`,
      flag(way ?? ''),
    );
  if (way === 'attach' && options.signature === undefined)
    throw usage('--attach needs --signature', '--signature FILE', 'none');
  if (way !== 'attach' && options.certificate === undefined)
    throw usage('no certificate given', '--certificate FILE', 'none');
}

/** Options that are valid only with some ways of signing. */
const onlyWith: Readonly<Partial<Record<keyof SignOptions, readonly string[]>>> = {
  passphraseFile: ['key'],
  passphraseFd: ['key'],
  signerArgument: ['signerCommand'],
  signature: ['attach'],
  certificate: ['key', 'prepare', 'signerCommand'],
  name: ['key', 'prepare', 'signerCommand'],
  algorithm: ['key', 'prepare', 'signerCommand'],
};

function given(options: SignOptions, option: keyof SignOptions): boolean {
  const value = options[option];
  return Array.isArray(value) ? value.length > 0 : value !== undefined;
}

function flag(option: string): string {
  return `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
