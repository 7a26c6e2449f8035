// Attacks a depot with many connections of each kind and prints its memory and how long others wait.
// usage: npm run soak:depot [-- CONNECTIONS [KIND]]; ends with status 1 if a limit is exceeded.
// The attackers run on the last CPU if there are several. "Without CPU" is how long the depot and the prober were ready
// to run and had to wait for a CPU: so much of a wait can be due to what else runs on this machine.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Probed } from './bench/parts/probe.ts';

const CONNECTIONS = Number(process.argv[2] ?? 10_000);
const HOLD_MS = 3_000;
const MOST_MS = 15_000;
const MAX_MEMORY_MIB = 256;
const MAX_WAIT_MS = 200;
const BLOB_BYTES = 64 * 1024 * 1024;
const DIGEST = `sha256:${'0'.repeat(64)}`;
const KINDS = ['pipelined', 'slow reading', 'slow writing', 'idle'].filter(
  (kind) => kind === (process.argv[3] ?? kind),
);
/** From one address, which may have few connections, and from many, which together may have more. */
const PEERS = [1, 200];
const PARTS = join(import.meta.dirname, 'bench', 'parts');

/** Times in milliseconds, except that of the CPU. */
interface Row {
  readonly opened: string;
  readonly memoryMib: number;
  readonly probed: Probed;
  /** Of the same depot before the attack. */
  readonly before: Probed;
  readonly descriptors: number;
  readonly cpuSeconds: number;
  readonly withoutCpu: number;
  readonly loopDelay: string;
}

const folder = mkdtempSync(join(tmpdir(), 'stowage-soak-'));
const blob = join(folder, 'blob');
writeFileSync(blob, '');
truncateSync(blob, BLOB_BYTES);
console.log(
  `kind | peers | opened | MiB resident | others, ms: median, 99 %, slowest | before the attack | refused | descriptors | depot: CPU s, without CPU ms, loop delay ms | prober: without CPU ms, loop delay ms | load`,
);
try {
  for (const kind of KINDS)
    for (const peers of PEERS) {
      const row = await soak(kind, peers);
      const { probed, before, memoryMib } = row;
      const isOver =
        memoryMib > MAX_MEMORY_MIB || slowest(probed) > MAX_WAIT_MS || probed.refused > 0;
      if (isOver) process.exitCode = 1;
      const cells = [
        ...[kind, peers, row.opened, memoryMib.toFixed(0), waits(probed), waits(before)],
        ...[probed.refused, row.descriptors],
        `${row.cpuSeconds.toFixed(1)}, ${row.withoutCpu.toFixed(0)}, ${row.loopDelay}`,
        `${probed.withoutCpu.toFixed(0)}, ${probed.ownDelay.toFixed(0)}`,
        loadavg()[0]?.toFixed(1),
      ];
      console.log([...cells, ...(isOver ? ['OVER'] : [])].join(' | '));
    }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function soak(kind: string, peers: number): Promise<Row> {
  const depot = start([join(PARTS, 'serve-blob.ts'), blob, DIGEST]);
  const children = [depot];
  try {
    const port = (await lineOf(depot)).split(':')[1] ?? '';
    const prober = start([join(PARTS, 'probe.ts'), port, DIGEST]);
    children.push(prober);
    const before = JSON.parse(await lineOf(prober)) as Probed;
    const [cpu, without] = [cpuSeconds(depot), withoutCpu(depot)];
    const words = [kind, port, `${peers}`, `${CONNECTIONS}`, DIGEST];
    const attacker = startOnLastCpu([join(PARTS, 'attack.ts'), ...words]);
    children.push(attacker);
    let opened = 'not all';
    let end = performance.now() + MOST_MS;
    void lineOf(attacker).then((line) => {
      opened = line;
      end = Math.min(end, performance.now() + HOLD_MS);
    });
    let descriptors = 0;
    while (performance.now() < end) {
      descriptors = Math.max(descriptors, readdirSync(`/proc/${depot.pid}/fd`).length);
      await sleep(100);
    }
    const probes = lineOf(prober);
    prober.kill('SIGTERM');
    const probed = JSON.parse(await probes) as Probed;
    const measured = {
      memoryMib: Number(/VmHWM:\s+(\d+) kB/.exec(ofProcess(depot, 'status'))?.[1]) / 1024,
      cpuSeconds: cpuSeconds(depot) - cpu,
      withoutCpu: withoutCpu(depot) - without,
    };
    attacker.kill('SIGKILL');
    const report = lineOf(depot);
    depot.kill('SIGTERM');
    return { opened, probed, before, descriptors, ...measured, loopDelay: await report };
  } finally {
    for (const child of children) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
  }
}

function start(args: readonly string[], command = process.execPath): ChildProcess {
  return spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

function startOnLastCpu(args: readonly string[]): ChildProcess {
  const last = availableParallelism() - 1;
  return last === 0 ? start(args) : start(['-c', `${last}`, process.execPath, ...args], 'taskset');
}

async function lineOf({ stdout }: ChildProcess): Promise<string> {
  let text = '';
  while (stdout !== null && !text.endsWith('\n'))
    text += String(((await once(stdout, 'data')) as [Buffer])[0]);
  return text.trim();
}

function ofProcess({ pid }: ChildProcess, file: string): string {
  return readFileSync(`/proc/${pid}/${file}`, 'utf8');
}

/** User and system time, in the hundredths in which Linux counts them. */
function cpuSeconds(child: ChildProcess): number {
  const fields = ofProcess(child, 'stat').split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function withoutCpu(child: ChildProcess): number {
  return Number(ofProcess(child, 'schedstat').split(' ')[1]) / 1e6;
}

function slowest({ waits: all }: Probed): number {
  return all.at(-1) ?? Number.POSITIVE_INFINITY;
}

function waits(probed: Probed): string {
  const at = (share: number): number => probed.waits[Math.floor(probed.waits.length * share)] ?? 0;
  return [at(0.5), at(0.99), slowest(probed)].map((each) => each.toFixed(1)).join(', ');
}
