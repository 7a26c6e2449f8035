import { basename, dirname, join } from 'node:path';
import { MAX_SIGNATURES } from '../../core/limits.ts';
import { namesIn } from '../../io/file.ts';
import type { SignatureFile } from '../../trust/signature-file.ts';
import { readSignature } from '../bundle-files.ts';

/** The signatures next to a document: `FILE.NAME.p7s`. */
export async function signaturesBeside(file: string): Promise<SignatureFile[]> {
  const stem = `${basename(file)}.`;
  const names = (await namesIn(dirname(file))).filter(
    (each) => each.startsWith(stem) && each.endsWith('.p7s'),
  );
  const signatures: SignatureFile[] = [];
  for (const name of names.slice(0, MAX_SIGNATURES + 1))
    signatures.push({ name, bytes: await readSignature(join(dirname(file), name)) });
  return signatures;
}
