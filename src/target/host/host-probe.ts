import { open, readdir, readlink, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { StowageError, systemCode } from '../../core/error.ts';
import { MIB } from '../../core/limits.ts';
import { ioError } from '../../io/file.ts';
import { type CommandRunner, type Environment, runCommand } from './command.ts';

/** Reads the properties of this host and changes nothing. Tests replace it. */
export interface HostProbe {
  /** A text of the system, such as `/proc/cpuinfo`, cut at 8 MiB; undefined when it is missing or not readable. */
  read(path: string): Promise<string | undefined>;
  /** The names in a folder; none when it is missing or not readable. */
  list(path: string): Promise<readonly string[]>;
  /** The target of a symbolic link; undefined when it is not one. */
  link(path: string): Promise<string | undefined>;
  /** The file system on which a path lies, or will lie. */
  fileSystem(path: string): Promise<FileSystem>;
  /** Whether a program could listen there now. */
  listen(address: string, port: number): Promise<Listening>;
  /** The output of a program; `why` in words when it is absent, fails, prints too much, or times out. */
  run(
    program: string,
    args: readonly string[],
    signal: AbortSignal,
  ): Promise<{ readonly printed: string } | { readonly why: string }>;
}

export type Listening =
  | 'free'
  | 'taken'
  /** No interface of this host has the address. */
  | 'no-address'
  /** This user may not listen there. */
  | 'forbidden';

export interface FileSystem {
  /** The same for two paths on one file system. */
  readonly id: string;
  readonly freeBytes: number;
  /** How many more files fit; undefined on a file system without such a limit. */
  readonly freeFiles?: number;
}

export interface HostProbeOptions {
  readonly env: Environment;
  /** Replaces `/`. */
  readonly root?: string;
  readonly run?: CommandRunner;
}

const MAX_TEXT_BYTES = 8 * MIB;
const MAX_PRINTED = MIB;
/** The tool of a broken driver can hang. */
const ANSWER_MS = 20_000;

export function createHostProbe(options: HostProbeOptions): HostProbe {
  const { env, root = '/', run: runner = runCommand } = options;
  const place = (path: string): string => join(root, path);
  return {
    read: (path) => readText(place(path)),
    list: (path) => readdir(place(path)).catch(() => []),
    link: (path) => readlink(place(path)).catch(() => undefined),
    fileSystem,
    listen: tryToListen,
    async run(program, args, signal) {
      try {
        const { PATH } = env;
        const plain = { PATH, LC_ALL: 'C' };
        const result = await runner(program, args, { env: plain, signal, timeoutMs: ANSWER_MS });
        if (result.status !== 0) return { why: `${program} failed: status ${result.status}` };
        if (result.stdout.length > MAX_PRINTED)
          return { why: `${program} printed too much output` };
        return { printed: result.stdout };
      } catch (error) {
        if (!(error instanceof StowageError) || error.code === 'interrupted') throw error;
        if (error.code === 'host-unfit') return { why: `${program} is not installed` };
        return { why: `${program}: ${error.found ?? error.message}` };
      }
    },
  };
}

/** Files below `/proc` report a size of 0 and are read to the end. */
async function readText(path: string): Promise<string | undefined> {
  try {
    const handle = await open(path, 'r');
    try {
      const chunks: Buffer[] = [];
      for (let total = 0; total < MAX_TEXT_BYTES; ) {
        const buffer = Buffer.alloc(65_536);
        const { bytesRead } = await handle.read(buffer, 0, buffer.length);
        if (bytesRead === 0) break;
        chunks.push(buffer.subarray(0, bytesRead));
        total += bytesRead;
      }
      return Buffer.concat(chunks).toString('utf8');
    } finally {
      await handle.close();
    }
  } catch {
    return undefined;
  }
}

async function fileSystem(path: string): Promise<FileSystem> {
  const absolute = resolve(path);
  try {
    const { dev } = await stat(absolute);
    const { bavail, bsize, files, ffree } = await statfs(absolute);
    return {
      id: String(dev),
      freeBytes: bavail * bsize,
      // btrfs and some others have no limit and report 0 of 0.
      ...(files === 0 ? {} : { freeFiles: ffree }),
    };
  } catch (error) {
    if (systemCode(error) === 'ENOENT' && dirname(absolute) !== absolute)
      return fileSystem(dirname(absolute));
    throw ioError(error, absolute);
  }
}

/** Listens and stops at once: the only reliable check. */
function tryToListen(address: string, port: number): Promise<Listening> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(meaning(systemCode(error))));
    server.listen({ host: address, port, exclusive: true }, () => {
      server.close(() => resolve('free'));
    });
  });
}

function meaning(code: string | undefined): Listening {
  // The last two: a kernel without IPv6, and an address on which nobody can listen.
  if (['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL'].includes(code ?? '')) return 'no-address';
  return code === 'EACCES' || code === 'EPERM' ? 'forbidden' : 'taken';
}

/** The features of this host's processors, from the `flags` (x86) or `Features` (Arm) lines of `/proc/cpuinfo`. */
export async function cpuFeatures(host: HostProbe): Promise<ReadonlySet<string> | undefined> {
  const text = await host.read('/proc/cpuinfo');
  const lines = [...(text ?? '').matchAll(/^(?:flags|Features)\s*:\s*(.*)$/gm)];
  const [first, ...others] = lines.map((match) => new Set((match[1] ?? '').split(/\s+/)));
  // Only what all cores have in common counts.
  return first === undefined
    ? undefined
    : new Set([...first].filter((flag) => others.every((each) => each.has(flag))));
}

/** `MemTotal` of `/proc/meminfo`, in bytes: a little less than what is installed. */
export async function memoryBytes(host: HostProbe): Promise<number | undefined> {
  const match = /^MemTotal:\s*([0-9]{1,15}) kB$/m.exec((await host.read('/proc/meminfo')) ?? '');
  return match === null ? undefined : Number(match[1]) * 1024;
}

/** The kernel's release as `uname -r` prints it. */
export async function kernelRelease(host: HostProbe): Promise<string | undefined> {
  const text = (await host.read('/proc/sys/kernel/osrelease'))?.trim();
  return text === '' ? undefined : text;
}
