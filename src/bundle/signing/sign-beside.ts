import { basename } from 'node:path';
import { StowageError } from '../../core/error.ts';
import { exists, writeAtomic } from '../../io/file.ts';
import { type Signer, signDetached } from '../../trust/cms-sign.ts';
import { requireUsable } from '../../trust/policy.ts';

/**
 * The path for a detached signature next to a file: `FILE.NAME.p7s`.
 * @throws StowageError `output-exists`
 */
export async function placeBeside(file: string, name: string): Promise<string> {
  const path = `${file}.${name}.p7s`;
  if (!(await exists(path))) return path;
  throw new StowageError('output-exists', `${path} exists already`, {
    expected: 'an unused file name',
    found: 'a signature',
    hint: 'choose another --name, or remove the old signature',
  });
}

export interface SignBesideOptions {
  readonly file: string;
  /** The content of the file. */
  readonly bytes: Buffer;
  readonly name: string;
  readonly signer: Signer;
  readonly now: Date;
}

/**
 * Signs the bytes of a file and writes the signature next to it.
 * @returns the path of the signature
 * @throws StowageError `output-exists`, `key-invalid`; `certificate-invalid` if the signature would not be accepted
 */
export async function signBeside(options: SignBesideOptions): Promise<string> {
  const { file, bytes, name, signer, now } = options;
  const path = await placeBeside(file, name);
  const signature = signDetached(bytes, signer, now);
  requireUsable({ name: basename(path), bytes: signature }, bytes, now);
  await writeAtomic(path, signature);
  return path;
}
