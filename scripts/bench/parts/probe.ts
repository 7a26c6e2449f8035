// Asks a depot for 64 KiB again and again, each time over a new connection from an address of its own.
// usage: probe.ts PORT DIGEST; prints its figures when it has warmed up, and again when it is stopped.
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Probed {
  /** Milliseconds until each request was answered, in ascending order. */
  readonly waits: readonly number[];
  readonly refused: number;
  /** The longest delay of this process's own event loop, in milliseconds. */
  readonly ownDelay: number;
  /** How long this process was ready to run and had to wait for a CPU, in milliseconds. */
  readonly withoutCpu: number;
}

const WARM_UP = 300;
const PAUSE_MS = 20;

const [port, digest = ''] = process.argv.slice(2);
const delay = monitorEventLoopDelay({ resolution: 5 });
let waits: number[] = [];
let refused = 0;
let isStopped = false;
let counted = 0;
process.once('SIGTERM', () => {
  isStopped = true;
});
delay.enable();
for (let count = 0; count < WARM_UP; count += 1) await probe();
// The first half warmed up the depot.
waits = waits.slice(WARM_UP / 2);
print();
while (!isStopped) {
  await probe();
  await sleep(PAUSE_MS);
}
print();

function print(): void {
  const probed: Probed = {
    waits: waits.toSorted((a, b) => a - b),
    refused,
    ownDelay: delay.max / 1e6,
    withoutCpu: withoutCpu() - counted,
  };
  console.log(JSON.stringify(probed));
  waits = [];
  refused = 0;
  counted = withoutCpu();
  delay.reset();
}

function withoutCpu(): number {
  return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
}

async function probe(): Promise<void> {
  const began = performance.now();
  try {
    await answered();
    waits.push(performance.now() - began);
  } catch {
    refused += 1;
  }
}

function answered(): Promise<void> {
  const path = `/v2/bench/blobs/${digest}`;
  const from = { host: '127.0.0.1', localAddress: '127.0.0.2', agent: false } as const;
  const sent = request({ ...from, port, path, headers: { Range: 'bytes=0-65535' } });
  return new Promise((resolve, reject) => {
    sent.on('error', reject).setTimeout(10_000, () => sent.destroy(new Error('no answer')));
    sent.on('response', (response) => {
      response.on('error', reject).on('end', resolve);
      response.resume();
    });
    sent.end();
  });
}
