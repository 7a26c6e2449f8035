import { StowageError } from '../../core/error.ts';
import { type CommandRunner, type Environment, runCommand } from '../../target/command.ts';
import type { Finding } from './finding.ts';

const TIMEOUT_MS = 15_000;

/** Whether there is a podman, and which: a site needs one, the connected side does not. */
export async function examineEngine(
  env: Environment,
  signal: AbortSignal,
  run: CommandRunner = runCommand,
): Promise<Finding> {
  const finding = { area: 'engine', check: 'podman' } as const;
  const doubt = {
    ...finding,
    verdict: 'doubt',
    hint: 'a site whose target is podman needs it; elsewhere it may be missing',
  } as const;
  try {
    const { status, stdout, stderr } = await run('podman', ['--version'], {
      env,
      signal,
      timeoutMs: TIMEOUT_MS,
    });
    const version = /^podman version (\S+)/.exec(stdout)?.[1];
    if (status === 0 && version !== undefined)
      return { ...finding, verdict: 'right', found: version };
    return { ...doubt, found: `exit status ${status}: ${(stderr || stdout).trim().slice(0, 200)}` };
  } catch (error) {
    if (!(error instanceof StowageError) || error.code === 'interrupted') throw error;
    return { ...doubt, found: error.code === 'host-unfit' ? 'none' : (error.found ?? 'no answer') };
  }
}
