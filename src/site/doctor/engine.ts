import { StowageError } from '../../core/error.ts';
import { type CommandRunner, type Environment, runCommand } from '../../target/host/command.ts';
import type { Finding } from './finding.ts';

const TIMEOUT_MS = 15_000;

/** Whether an engine works, and its version. Only a site with this target needs it. */
export async function examineEngine(
  engine: 'podman' | 'docker',
  env: Environment,
  signal: AbortSignal,
  run: CommandRunner = runCommand,
): Promise<Finding> {
  const finding = { area: 'engine', check: engine } as const;
  const doubt = {
    ...finding,
    verdict: 'doubt',
    hint: `only sites with the target ${engine} need it`,
  } as const;
  try {
    // Docker needs its daemon: this asks for the daemon's version.
    const args =
      engine === 'podman' ? ['--version'] : ['version', '--format', '{{.Server.Version}}'];
    const options = { env, signal, timeoutMs: TIMEOUT_MS };
    const { status, stdout, stderr } = await run(engine, args, options);
    const version = /^(?:podman version )?([0-9]\S*)\s*$/.exec(stdout)?.[1];
    if (status === 0 && version !== undefined)
      return { ...finding, verdict: 'right', found: version };
    return { ...doubt, found: `exit status ${status}: ${(stderr || stdout).trim().slice(0, 200)}` };
  } catch (error) {
    if (!(error instanceof StowageError) || error.code === 'interrupted') throw error;
    return {
      ...doubt,
      found: error.code === 'host-unfit' ? 'none' : (error.found ?? 'no response'),
    };
  }
}
