// Opens many hostile connections to a depot, of which none reads, and holds them until it is stopped.
// usage: attack.ts KIND PORT PEERS CONNECTIONS DIGEST; prints how many it opened.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';

const BATCH = 20;

const [kind = '', port, peers, connections, digest = ''] = process.argv.slice(2);
const get = `GET /v2/bench/blobs/${digest} HTTP/1.1\r\nHost: d\r\n\r\n`;
const bytes: Readonly<Record<string, string>> = {
  pipelined: get.repeat(2000),
  'slow reading': get,
  'slow writing': 'GET /v2/ HTTP/1.1\r\nHost: d\r\nX-Slow: ',
  idle: '',
};
const sockets: Socket[] = [];
let opened = 0;
for (let index = 0; index < Number(connections); index += BATCH) {
  const batch = Array.from({ length: BATCH }, (_, offset) => open(index + offset));
  await Promise.all(batch);
  await setImmediate();
}
console.log(opened);

async function open(index: number): Promise<void> {
  const localAddress = `127.0.1.${1 + (index % Number(peers))}`;
  const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress });
  sockets.push(socket);
  socket.on('error', () => {}).pause();
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => {});
  if (socket.destroyed) return;
  opened += 1;
  socket.write(bytes[kind] ?? '');
}
