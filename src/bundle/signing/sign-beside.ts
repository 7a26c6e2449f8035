import { basename } from 'node:path';
import { exists, writeAtomic } from '../../io/file.ts';
import { type Signer, signDetached } from '../../trust/cms-sign.ts';
import { requireUsable } from '../../trust/policy.ts';
import { nameInUse } from './name-in-use.ts';

/**
 * The path for a detached signature next to a file: `FILE.NAME.p7s`.
 * @param bytes the content of the file
 * @throws StowageError `output-exists`
 */
export async function placeBeside(file: string, name: string, bytes: Buffer): Promise<string> {
  const path = `${file}.${name}.p7s`;
  if (!(await exists(path))) return path;
  throw await nameInUse(path, bytes);
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
  const path = await placeBeside(file, name, bytes);
  const signature = signDetached(bytes, signer, now);
  requireUsable({ name: basename(path), bytes: signature }, bytes, now);
  await writeAtomic(path, signature);
  return path;
}
