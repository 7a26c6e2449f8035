import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ask } from '../depot/fixture.ts';
import { end } from '../lab/process.ts';
import { scratchFolder } from '../support/scratch.ts';

const CONNECTIONS = 10_000;
const DIGEST = `sha256:${'0'.repeat(64)}`;
const scratch = scratchFolder();
/** Further connections of a flooding peer are refused, whoever else has its address. */
const elsewhere = { localAddress: '127.0.0.2' };
const script = fileURLToPath(new URL('../../scripts/bench/parts/serve-blob.ts', import.meta.url));

describe('when ten thousand connections send headers slowly', () => {
  it('answers others meanwhile, and closes the slow ones', async () => {
    const file = scratch.fresh('blob');
    writeFileSync(file, 'the bytes of a blob');
    const child = spawn(process.execPath, [script, file, DIGEST], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const sockets: Socket[] = [];
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      const host = line.toString().trim();
      const port = Number(host.split(':')[1]);
      let closed = 0;
      for (let opened = 0; opened < CONNECTIONS; opened += 500) {
        const batch = Array.from({ length: 500 }, () => connect(port, '127.0.0.1'));
        for (const socket of batch) {
          socket
            .on('error', () => {})
            .on('close', () => {
              closed += 1;
            });
          socket.resume();
          socket.write('GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: ');
        }
        sockets.push(...batch);
        await Promise.all(
          batch.map((each) => each.connecting && once(each, 'connect').catch(() => {})),
        );
        expect((await ask(host, '/healthz', elsewhere)).status).toBe(200);
      }
      const reply = await ask(host, `/v2/bench/blobs/${DIGEST}`, elsewhere);
      expect(reply.body.toString()).toBe('the bytes of a blob');
      await expect.poll(() => closed, { timeout: 60_000, interval: 500 }).toBe(CONNECTIONS);
      expect((await ask(host, '/healthz', elsewhere)).status).toBe(200);
    } finally {
      for (const socket of sockets) socket.destroy();
      await end(child);
    }
  });
});
