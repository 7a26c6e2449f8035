import type { Acceptance } from '../../bundle/signing/sign.ts';
import type { AlgorithmName } from '../../format/trust.ts';
import type { Certificate } from '../../trust/certificate.ts';
import type { SignerIdentity } from '../../trust/cms-sign.ts';
import { type CommandResult, usage } from '../command.ts';
import type { PassphraseOptions } from './passphrase.ts';

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
