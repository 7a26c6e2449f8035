import type { AlgorithmName } from '../../format/trust.ts';
import type { Certificate } from '../../trust/certificate.ts';
import type { SignerIdentity } from '../../trust/cms-sign.ts';
import { type CommandResult, usage } from '../command.ts';
import type { PassphraseOptions } from './passphrase.ts';

export interface SignOptions extends PassphraseOptions {
  readonly certificate?: string;
  readonly role: 'release' | 'approval';
  readonly name?: string;
  readonly algorithm?: AlgorithmName;
  /** One of these four says where the key is. */
  readonly key?: string;
  readonly prepare?: string;
  readonly attach?: string;
  readonly signerCommand?: string;
  readonly signature?: string;
  readonly signerArgument: readonly string[];
  readonly signerTimeout: number;
}

/** Who signs, under which name, as the options say. */
export interface ChosenSigner {
  readonly identity: SignerIdentity;
  readonly name: string;
}

/** What a signature that was added comes to. */
export function signedResult(path: string, { subject, serial }: Certificate): CommandResult {
  return {
    json: { signature: path, subject, serial },
    text: `${path}\n  signed by ${subject}\n`,
  };
}

/** Which options belong together. @throws StowageError `usage-invalid` */
export function checkOptions(options: SignOptions): void {
  const ways = (['key', 'prepare', 'attach', 'signerCommand'] as const).filter(
    (each) => options[each] !== undefined,
  );
  if (ways.length !== 1)
    throw usage(
      'where the key is must be said once',
      'one of --key, --prepare, --attach and --signer-command',
      ways.length === 0 ? 'none' : `${ways.length} of them`,
    );
  const [way] = ways;
  const strange = (Object.entries(onlyWith) as [keyof SignOptions, string[]][]).find(
    ([option, allowed]) => given(options, option) && !allowed.includes(way ?? ''),
  );
  if (strange !== undefined)
    throw usage(
      'two options that do not belong together',
      `${flag(strange[0])} with ${strange[1].map(flag).join(' or ')}`,
      flag(way ?? ''),
    );
  if (way === 'attach' && options.signature === undefined)
    throw usage('--attach lacks the signature', '--signature FILE', 'none');
  if (way !== 'attach' && options.certificate === undefined)
    throw usage('the certificate is missing', '--certificate FILE', 'none');
}

/** What only some of the ways to sign can use. */
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
