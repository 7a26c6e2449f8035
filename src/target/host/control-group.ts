import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ResourceUse } from '../target.ts';

const ROOT = '/sys/fs/cgroup';

/** Where the control groups of a process are described. Tests replace it. */
export interface ControlGroupFiles {
  /** The content of a file; undefined if it cannot be read. */
  read(path: string): Promise<string | undefined>;
}

const ofThisHost: ControlGroupFiles = {
  read: (path) => readFile(path, 'utf8').catch(() => undefined),
};

/**
 * What all processes of a container used, by the control groups of its first process: version 2, version 1, or both.
 * @param pid of the first process, on this host
 * @returns undefined if nothing of it can be read; a counter that cannot be read is missing
 */
export async function controlGroupUse(
  pid: number,
  files: ControlGroupFiles = ofThisHost,
): Promise<ResourceUse | undefined> {
  const groups = await files.read(`/proc/${pid}/cgroup`);
  if (groups === undefined) return undefined;
  const [readBytes, cpuSeconds, memoryBytes] = await Promise.all([
    first(files, groups, [
      ['', 'io.stat', (text) => sumOf(text, /\brbytes=([0-9]+)/g)],
      ['blkio', 'blkio.throttle.io_service_bytes_recursive', readsOf],
      ['blkio', 'blkio.throttle.io_service_bytes', readsOf],
    ]),
    first(files, groups, [
      ['', 'cpu.stat', (text) => scaled(/^usage_usec ([0-9]+)/m.exec(text)?.[1], 1e6)],
      ['cpuacct', 'cpuacct.usage', (text) => scaled(text.trim(), 1e9)],
    ]),
    first(files, groups, [
      ['', 'memory.current', (text) => scaled(text.trim(), 1)],
      ['memory', 'memory.usage_in_bytes', (text) => scaled(text.trim(), 1)],
    ]),
  ]);
  const use = {
    ...(readBytes === undefined ? {} : { readBytes }),
    ...(cpuSeconds === undefined ? {} : { cpuSeconds }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
  };
  return Object.keys(use).length === 0 ? undefined : use;
}

/** A controller, empty for version 2; its file; and how to read that. */
type Counter = readonly [string, string, (text: string) => number | undefined];

async function first(
  files: ControlGroupFiles,
  groups: string,
  counters: readonly Counter[],
): Promise<number | undefined> {
  for (const [controller, name, parse] of counters) {
    for (const folder of foldersOf(groups, controller)) {
      const text = await files.read(join(folder, name));
      const value = text === undefined ? undefined : parse(text);
      if (value !== undefined) return value;
    }
  }
  return undefined;
}

/** The folders of a controller, by `/proc/PID/cgroup` (cgroups(7)): lines of `number:controllers:path`. */
function foldersOf(groups: string, controller: string): string[] {
  return groups.split('\n').flatMap((line) => {
    const match = /^[0-9]+:([^:]*):(\/.*)$/.exec(line);
    if (match === null) return [];
    const [, controllers = '', path = ''] = match;
    // From inside a namespace, a group outside it has a path that leads up and cannot be followed.
    if (!controllers.split(',').includes(controller) || path.startsWith('/..')) return [];
    return controller === ''
      ? [join(ROOT, path), join(ROOT, 'unified', path)]
      : [join(ROOT, controllers, path), join(ROOT, controller, path)];
  });
}

/** A device that is not listed may be one that nothing was read from, or one that is not counted, such as a loop device. */
function readsOf(text: string): number | undefined {
  return sumOf(text, /^[0-9]+:[0-9]+ Read ([0-9]+)$/gm);
}

function sumOf(text: string, pattern: RegExp): number | undefined {
  const found = [...text.matchAll(pattern)];
  return found.length === 0
    ? undefined
    : found.reduce((sum, [, digits]) => sum + Number(digits), 0);
}

function scaled(digits: string | undefined, by: number): number | undefined {
  return digits !== undefined && /^[0-9]+$/.test(digits) ? Number(digits) / by : undefined;
}
