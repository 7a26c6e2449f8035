import { readFile } from 'node:fs/promises';
import { controlGroupUse } from '../../target/host/control-group.ts';
import {
  commandOf,
  containerOf,
  isEngineProgram,
  isInContainer,
  processes,
} from '../../target/sealed/socket-owner.ts';

/** What the processes of one container did. */
export interface Watched {
  /** Absent without control groups of its own. */
  readonly peakMemoryBytes?: number;
  readonly processes: readonly string[];
}

export interface Watch {
  /** What was seen of each container, by its name, and the most memory of the host beyond what was in use at the start. */
  stop(): Promise<{
    readonly containers: ReadonlyMap<string, Watched>;
    readonly peakMemoryBytes: number;
  }>;
}

const EVERY_MS = 250;
const MAX_PROCESSES = 50;

export interface WatchOptions {
  /** The name of a container, by what {@link containerOf} says of a process. */
  readonly containerName: (container: string) => string;
  /** Whether each container has control groups of its own. */
  readonly controlGroups: boolean;
}

/** Looks at processes and memory four times a second. A process that ends between two looks is not seen. */
export async function watchContainers({
  containerName,
  controlGroups,
}: WatchOptions): Promise<Watch> {
  const containers = new Map<string, { peakMemoryBytes?: number; processes: Set<string> }>();
  const before = await memoryInUse();
  let peak = before;
  let going = true;
  const look = async (): Promise<void> => {
    peak = Math.max(peak, await memoryInUse());
    const measured = new Set<string>();
    for (const pid of processes()) {
      const { container } = containerOf(pid);
      if (container === undefined || !isInContainer(pid)) continue;
      const command = commandOf(pid);
      if (command === '' || isEngineProgram(command)) continue;
      const name = containerName(container);
      const known = containers.get(name) ?? { processes: new Set() };
      containers.set(name, known);
      if (known.processes.size < MAX_PROCESSES) known.processes.add(command);
      if (!controlGroups || measured.has(name)) continue;
      measured.add(name);
      const use = await controlGroupUse({ pid: Number(pid), id: undefined });
      known.peakMemoryBytes = Math.max(known.peakMemoryBytes ?? 0, use?.memoryBytes ?? 0);
    }
  };
  const done = (async () => {
    while (going) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  })();
  return {
    async stop() {
      going = false;
      await done;
      const list = [...containers].map(([name, each]): [string, Watched] => [
        name,
        { ...each, processes: [...each.processes].toSorted() },
      ]);
      return { containers: new Map(list), peakMemoryBytes: Math.max(0, peak - before) };
    },
  };
}

/** Memory that is not available (proc_meminfo(5)), in bytes. */
async function memoryInUse(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8');
  const of = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+([0-9]+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return of('MemTotal') - of('MemAvailable');
}
