import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { admit } from '../../src/bundle/admission/admit.ts';
import { StowageError } from '../../src/core/error.ts';
import { context, packedAt } from '../support/context.ts';
import type { SignedBundle } from './signed-bundle.ts';

/** The files of a bundle that decide whether it is admitted, as paths in its folder. */
export function decidingFiles(folder: string): string[] {
  const below = (name: string): string[] =>
    readdirSync(join(folder, name)).map((file) => `${name}/${file}`);
  return ['SHA512SUMS', 'bundle.json', ...below('signatures'), ...below('trust')];
}

/** What admitting the bundle came to: `admitted`, or the code of the error. */
export async function verdictOn({ folder, trust }: SignedBundle): Promise<string> {
  try {
    await admit(folder, { ...context({ now: () => packedAt }), trust });
    return 'admitted';
  } catch (error) {
    if (error instanceof StowageError) return error.code;
    throw error;
  }
}

const MALFORMED = [
  'signature-malformed',
  'signature-invalid',
  'certificate-invalid',
  'algorithm-refused',
  'signer-untrusted',
];

/** The codes that a flipped bit in one of those files may lead to. */
export function codesFor(file: string): readonly string[] {
  if (file === 'bundle.json') return ['part-damaged'];
  return file.endsWith('.p7s') ? MALFORMED : ['signature-invalid'];
}

/** The same bytes with one bit of the byte `at` flipped. */
export function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
  return copy;
}
