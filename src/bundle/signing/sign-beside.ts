import { StowageError } from '../../core/error.ts';
import { exists, writeAtomic } from '../../io/file.ts';
import { type Signer, signDetached } from '../../trust/cms-sign.ts';

/**
 * Where a signature over a file goes: `FILE.NAME.p7s`, beside it.
 * @throws StowageError `output-exists`
 */
export async function placeBeside(file: string, name: string): Promise<string> {
  const path = `${file}.${name}.p7s`;
  if (!(await exists(path))) return path;
  throw new StowageError('output-exists', `${path} exists already`, {
    expected: 'a name that is free',
    found: 'a signature',
    hint: 'choose another --name, or remove the old signature',
  });
}

/**
 * Signs the bytes of a file, beside it.
 * @returns where the signature lies
 * @throws StowageError `output-exists`, `key-invalid`
 */
export async function signBeside(
  file: string,
  bytes: Buffer,
  name: string,
  signer: Signer,
  now: Date,
): Promise<string> {
  const path = await placeBeside(file, name);
  await writeAtomic(path, signDetached(bytes, signer, now));
  return path;
}
