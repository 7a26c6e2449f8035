// One address for two servers, which it calls by their names. It ends when one of them does not answer at its start.
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

const { CHAT, EMBEDDINGS } = process.env;
const peers = [CHAT, EMBEDDINGS];

process.on('SIGTERM', () => process.exit(0));

const ready = async (peer) => (await fetch(`${peer}/health`)).ok;

for (const peer of peers) {
  if (await ready(peer).catch(() => false)) continue;
  console.error(`error: ${peer} is not ready`);
  process.exit(1);
}

createServer(async (request, response) => {
  const { method, url } = request;
  try {
    if (url === '/health') {
      const all = (await Promise.all(peers.map(ready))).every(Boolean);
      return response.writeHead(all ? 200 : 503).end();
    }
    const body = method === 'POST' ? await text(request) : undefined;
    const peer = url === '/v1/embeddings' ? EMBEDDINGS : CHAT;
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(peer + url, { method, headers, body });
    response.writeHead(answer.status, headers).end(await answer.text());
  } catch (error) {
    response.writeHead(502).end(error.message);
  }
}).listen(8080, () => console.log('both answer'));
