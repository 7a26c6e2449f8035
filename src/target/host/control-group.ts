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

/** Why nothing is known of a container that shares its control groups with other processes of the host. */
export const SHARED_GROUP = 'the container has no control group of its own';

export interface MeasuredContainer {
  /** The id of its first process, on this host. */
  readonly pid: number;
  /** The id that the engine gave it, which is in the path of each control group of its own; undefined if all groups are its own. */
  readonly id: string | undefined;
}

/**
 * What all processes of a container used, by the control groups of its first process: version 2, version 1, or both. Groups that it
 * shares with other processes are not read.
 * @returns undefined if nothing of it can be read; a counter that cannot be read is missing, and `unknown` is
 * {@link SHARED_GROUP} if the memory or the processor time is missing because the group is shared
 */
export async function controlGroupUse(
  { pid, id }: MeasuredContainer,
  files: ControlGroupFiles = ofThisHost,
): Promise<ResourceUse | undefined> {
  const listed = await files.read(`/proc/${pid}/cgroup`);
  if (listed === undefined) return undefined;
  const all = groupsIn(listed);
  const groups = all.filter(({ path }) => id === undefined || path.includes(id));
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
  const isShared =
    groups.length < all.length && (cpuSeconds === undefined || memoryBytes === undefined);
  const use = {
    ...(readBytes === undefined ? {} : { readBytes }),
    ...(cpuSeconds === undefined ? {} : { cpuSeconds }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(isShared ? { unknown: SHARED_GROUP } : {}),
  };
  return Object.keys(use).length === 0 ? undefined : use;
}

/** A controller, empty for version 2; its file; and how to read that. */
type Counter = readonly [string, string, (text: string) => number | undefined];

async function first(
  files: ControlGroupFiles,
  groups: readonly ControlGroup[],
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

interface ControlGroup {
  /** Separated by commas; empty for version 2. */
  readonly controllers: string;
  readonly path: string;
}

/** The control groups in `/proc/PID/cgroup` (cgroups(7)): lines of `number:controllers:path`. */
function groupsIn(listed: string): ControlGroup[] {
  return listed.split('\n').flatMap((line) => {
    const match = /^[0-9]+:([^:]*):(\/.*)$/.exec(line);
    if (match === null) return [];
    const [, controllers = '', path = ''] = match;
    // From inside a namespace, a group outside it has a path that leads up and cannot be followed.
    return path.startsWith('/..') ? [] : [{ controllers, path }];
  });
}

/** The folders of a controller. */
function foldersOf(groups: readonly ControlGroup[], controller: string): string[] {
  return groups.flatMap(({ controllers, path }) => {
    if (!controllers.split(',').includes(controller)) return [];
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
