// Asks for a newer version over plain HTTP when it starts, with the fetch of Node. Before, it asks a service beside it; a lookup tells
// that this one cannot be reached.
import { lookup } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const { NO_UPDATE_NOTIFIER, PEER } = process.env;
for (let tries = 0; PEER !== undefined; tries++) {
  if (await fetch(PEER).catch(() => undefined)) break;
  if (tries === 60) await lookup('peer-not-reached.example.com').catch(() => undefined);
  await sleep(500);
}
if (NO_UPDATE_NOTIFIER !== '1')
  await fetch('http://registry.npmjs.org/tiny-chat/latest?from=1.0.0').catch(() => undefined);
process.on('SIGTERM', () => process.exit(0));
setInterval(() => undefined, 1000);
