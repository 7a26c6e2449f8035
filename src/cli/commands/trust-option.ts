import { type GivenTrust, readTrust } from '../../bundle/admission/trust-anchor.ts';
import { MAX_TRUST_BYTES } from '../../core/limits.ts';
import { readNamed } from '../../io/file.ts';
import type { CommandContext } from '../command.ts';

/** Reads the trust document or root certificate given with `--trust`. */
export async function readTrustFile(file: string, context: CommandContext): Promise<GivenTrust> {
  return readTrust(await readNamed(context.path(file), MAX_TRUST_BYTES), context.now());
}
