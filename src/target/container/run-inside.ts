import { StowageError } from '../../core/error.ts';
import { INSIDE_SECONDS, type RanInside, TIMED_OUT } from '../target.ts';
import type { EngineClient } from './engine-client.ts';

const KEPT_LINES = 8;

/**
 * See {@link Target.runInside}. Podman and docker take the same arguments.
 * @throws StowageError `interrupted`, `host-unfit`
 */
export async function runInside(
  engine: EngineClient,
  container: string,
  command: readonly string[],
  signal: AbortSignal,
): Promise<RanInside> {
  const limit = AbortSignal.timeout(INSIDE_SECONDS * 1000);
  try {
    const args = ['exec', container, ...command];
    const { status, stdout, stderr } = await engine.ask(args, AbortSignal.any([signal, limit]));
    const lines = (stdout + stderr).trim().split('\n');
    return { status, output: lines.slice(-KEPT_LINES).join('\n') };
  } catch (error) {
    const late = limit.aborted && !signal.aborted;
    if (!late || !(error instanceof StowageError) || error.code !== 'interrupted') throw error;
    return { status: TIMED_OUT, output: `did not end within ${INSIDE_SECONDS} seconds` };
  }
}
