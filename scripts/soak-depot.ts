// Attacks a depot with many connections of each kind and prints its memory and how long others wait.
// usage: npm run soak:depot [-- CONNECTIONS [KIND]]; ends with status 1 if a limit is exceeded.
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
import { request } from 'node:http';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

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

interface Row {
  readonly memory: number;
  readonly waits: readonly number[];
  readonly refused: number;
  readonly descriptors: number;
  readonly opened: number;
  readonly delay: string;
}

const folder = mkdtempSync(join(tmpdir(), 'stowage-soak-'));
const blob = join(folder, 'blob');
writeFileSync(blob, '');
truncateSync(blob, BLOB_BYTES);
console.log(
  'kind | peers | opened | MiB resident | slowest other, ms | median, ms | refused | descriptors | loop delay, ms | load',
);
try {
  for (const kind of KINDS)
    for (const peers of PEERS) {
      const row = await soak(kind, peers);
      const waits = row.waits.toSorted((a, b) => a - b);
      const slowest = waits.at(-1) ?? Number.POSITIVE_INFINITY;
      const isOver = row.memory > MAX_MEMORY_MIB || slowest > MAX_WAIT_MS || row.refused > 0;
      if (isOver) process.exitCode = 1;
      const cells = [kind, peers, row.opened, row.memory.toFixed(0), slowest.toFixed(0)];
      const more = [(waits[waits.length >> 1] ?? 0).toFixed(1), row.refused, row.descriptors];
      const load = loadavg()[0]?.toFixed(1);
      console.log([...cells, ...more, row.delay, load, ...(isOver ? ['OVER'] : [])].join(' | '));
    }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function soak(kind: string, peers: number): Promise<Row> {
  const parts = join(import.meta.dirname, 'bench', 'parts');
  const depot = start(join(parts, 'serve-blob.ts'), blob, DIGEST);
  const port = Number((await lineOf(depot)).split(':')[1]);
  const attack = [kind, port, peers, CONNECTIONS, DIGEST].map(String);
  const attacker = start(join(parts, 'attack.ts'), ...attack);
  const opened = lineOf(attacker);
  const waits: number[] = [];
  let refused = 0;
  let descriptors = 0;
  let end = performance.now() + MOST_MS;
  void opened.then(() => {
    end = Math.min(end, performance.now() + HOLD_MS);
  });
  try {
    while (performance.now() < end) {
      const wait = await answered(port).catch(() => undefined);
      if (wait === undefined) refused += 1;
      else waits.push(wait);
      descriptors = Math.max(descriptors, readdirSync(`/proc/${depot.pid}/fd`).length);
      await sleep(50);
    }
    const status = readFileSync(`/proc/${depot.pid}/status`, 'utf8');
    const [, highest = '0'] = /VmHWM:\s+(\d+) kB/.exec(status) ?? [];
    const count = await Promise.race([opened.then(Number), sleep(1).then(() => 0)]);
    attacker.kill('SIGKILL');
    const report = lineOf(depot);
    depot.kill('SIGTERM');
    const delay = await report;
    return { memory: Number(highest) / 1024, waits, refused, descriptors, opened: count, delay };
  } finally {
    for (const child of [attacker, depot]) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
  }
}

function start(script: string, ...words: readonly string[]): ChildProcess {
  return spawn(process.execPath, [script, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function lineOf({ stdout }: ChildProcess): Promise<string> {
  const [line] = stdout === null ? [''] : ((await once(stdout, 'data')) as [Buffer]);
  return line.toString().trim();
}

/** Milliseconds until a client of another address has the first 64 KiB of a blob. */
function answered(port: number): Promise<number> {
  const began = performance.now();
  const path = `/v2/bench/blobs/${DIGEST}`;
  const from = { host: '127.0.0.1', localAddress: '127.0.0.2', agent: false } as const;
  const sent = request({ ...from, port, path, headers: { Range: 'bytes=0-65535' } });
  return new Promise((resolve, reject) => {
    sent.on('error', reject).setTimeout(10_000, () => sent.destroy(new Error('no answer')));
    sent.on('response', (response) => {
      response.on('error', reject).on('end', () => resolve(performance.now() - began));
      response.resume();
    });
    sent.end();
  });
}
