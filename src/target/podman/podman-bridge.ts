import { StowageError } from '../../core/error.ts';
import { parseJson } from '../../core/json.ts';
import type { CommandResult, CommandRunner, Environment } from '../host/command.ts';

const IP_MS = 10_000;

export interface BridgeOptions {
  readonly run: CommandRunner;
  readonly env: Environment;
  readonly signal: AbortSignal;
}

/**
 * Removes the bridge of a network that podman has removed, with the interfaces of containers on it. Podman removes the
 * bridge with the last container of its network, but not if it was killed while it started one. Does nothing on a host
 * without `ip`.
 */
export async function removeBridge(
  bridge: string,
  { run, env, signal }: BridgeOptions,
): Promise<void> {
  const ip = async (...args: readonly string[]): Promise<CommandResult | undefined> => {
    try {
      return await run('ip', args, { env, signal, timeoutMs: IP_MS });
    } catch (error) {
      if (error instanceof StowageError && error.code === 'host-unfit') return undefined;
      throw error;
    }
  };
  const found = await ip('-json', 'link', 'show', 'type', 'bridge', 'dev', bridge);
  if (found?.status !== 0 || namesIn(found.stdout).length === 0) return;
  const members = await ip('-json', 'link', 'show', 'type', 'veth', 'master', bridge);
  for (const name of members?.status === 0 ? namesIn(members.stdout) : [])
    await ip('link', 'delete', 'dev', name);
  await ip('link', 'delete', 'dev', bridge);
}

/** The names in what `ip -json link show` printed. */
function namesIn(printed: string): string[] {
  const links = parseJson(Buffer.from(printed.trim() === '' ? '[]' : printed));
  if (!Array.isArray(links)) return [];
  return links.flatMap((link) => {
    const name = (link as { ifname?: unknown } | null)?.ifname;
    return typeof name === 'string' ? [name] : [];
  });
}
