import { rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { end, start } from './process.ts';

export interface Relay {
  close(): Promise<void>;
}

/**
 * Passes connections to a loopback port behind `enter`, a namespace's entrance, on to the same port of this
 * process's loopback: through a socket in a file, which knows no networks.
 */
export async function relay(enter: readonly string[], port: number): Promise<Relay> {
  const path = join(tmpdir(), `relay-${process.pid}-${port}`);
  const server = createServer((from) => {
    const to = connect(port, '127.0.0.1');
    from.pipe(to).pipe(from);
    from.on('error', () => to.destroy());
    to.on('error', () => from.destroy());
  });
  await new Promise<void>((settle) => server.listen(path, settle));
  server.unref();
  const node = ['setpriv', '--pdeathsig=KILL', process.execPath, '--eval', INSIDE];
  const [command = '', ...before] = enter;
  const inside = await start(command, [...before, ...node, path, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((settle) => inside.stdout?.once('data', settle));
  return {
    async close() {
      await end(inside, 'SIGKILL');
      server.close();
      rmSync(path, { force: true });
    },
  };
}

const INSIDE = `
const { connect, createServer } = require('node:net');
const [path, port] = process.argv.slice(1);
createServer((from) => {
  const to = connect(path);
  from.pipe(to).pipe(from);
  from.on('error', () => to.destroy());
  to.on('error', () => from.destroy());
}).listen(Number(port), '127.0.0.1', () => console.log('up'));`;
