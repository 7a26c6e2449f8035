import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { end, until } from '../../test/lab/process.ts';
import { freePort } from '../../test/lab/registry.ts';
import type { BenchContext, Row } from './benchmark.ts';
import { inTurns, type Measured, measure } from './measure.ts';

export const name = 'depot';
export const about = 'one blob beside nginx with sendfile, and many clients at once';

const DEFAULT_BYTES = 4 * 1024 ** 3;
const CLIENTS = 64;
const TIMES = 3;
const DIGEST = `sha256:${'0'.repeat(64)}`;

export async function run(context: BenchContext): Promise<readonly Row[]> {
  const { folder, size = DEFAULT_BYTES, say } = context;
  const file = join(folder, 'blob');
  const descriptor = openSync(file, 'w');
  ftruncateSync(descriptor, size);
  closeSync(descriptor);
  const nginx = await startNginx(folder);
  const depot = await startDepot(file);
  try {
    const url = `http://${depot.host}/v2/bench/blobs/${DIGEST}`;
    const fetch = (from: string): Promise<Measured> =>
      measure('curl', ['-sf', '-o', '/dev/null', from]);
    say('one client, depot and nginx in turns');
    const one = await inTurns(TIMES, {
      nginx: () => fetch(`${nginx.url}/blob`),
      depot: () => fetch(url),
    });
    say(`${CLIENTS} clients at once, depot and nginx in turns`);
    const many = await inTurns(TIMES, {
      nginx: () => crowd(`${nginx.url}/blob`, size),
      depot: () => crowd(url, size),
    });
    const rate = ({ seconds }: Measured): number => size / 1e6 / seconds;
    const row = (what: string, measured: typeof one): Row => ({
      ...{ what, unit: 'MB/s', goal: 'at least 0.8' },
      figure: rate(measured.depot),
      limit: { what: 'nginx', figure: rate(measured.nginx) },
      ratio: rate(measured.depot) / rate(measured.nginx),
    });
    return [
      row('one client', one),
      row(`${CLIENTS} clients, a part each`, many),
      {
        ...{ what: 'resident, with all of them', unit: 'MiB', goal: 'under 256' },
        figure: peakMib(depot.child),
      },
    ];
  } finally {
    await end(depot.child);
    await end(nginx.child);
  }
}

/** Each client fetches its part of the blob, all at once. */
function crowd(url: string, size: number): Promise<Measured> {
  const part = Math.floor(size / CLIENTS);
  const script = `for i in $(seq 0 ${CLIENTS - 1}); do
    curl -sf -o /dev/null -r $((i * ${part}))-$(((i + 1) * ${part} - 1)) "$0" & all="$all $!"
  done
  for each in $all; do wait $each || exit 1; done`;
  return measure('sh', ['-c', script, url]);
}

async function startDepot(file: string): Promise<{ child: ChildProcess; host: string }> {
  const script = fileURLToPath(new URL('parts/serve-blob.ts', import.meta.url));
  const child = spawn(process.execPath, [script, file, DIGEST], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, host: line.toString().trim() };
}

async function startNginx(folder: string): Promise<{ child: ChildProcess; url: string }> {
  const port = await freePort();
  const path = (name: string): string => join(folder, name);
  writeFileSync(
    path('nginx.conf'),
    `daemon off; worker_processes 1; pid ${path('pid')}; error_log ${path('errors')};
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path ${path('t1')}; proxy_temp_path ${path('t2')}; fastcgi_temp_path ${path('t3')};
  uwsgi_temp_path ${path('t4')}; scgi_temp_path ${path('t5')};
  server { listen 127.0.0.1:${port}; root ${folder}; }
}
`,
  );
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` };
  // One process: two would outlive it when it is killed.
  const args = ['-c', path('nginx.conf'), '-g', 'master_process off; user root;'];
  const child = spawn('nginx', args, { env, stdio: 'ignore' });
  await once(child, 'spawn');
  const url = `http://127.0.0.1:${port}`;
  await until('the start of nginx', 10, async () => {
    const { ok } = await fetch(`${url}/nginx.conf`).catch(() => ({ ok: false }));
    return ok ? true : undefined;
  });
  return { child, url };
}

function peakMib(child: ChildProcess): number {
  const text = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) / 1024;
}
