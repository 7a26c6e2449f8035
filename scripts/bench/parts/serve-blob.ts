// Serves one file as a blob until it is stopped. usage: serve-blob.ts FILE DIGEST; prints where it listens,
// and at its end the median, 99th percentile and maximum of the delay of its event loop, in milliseconds.
import { statSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseDigest } from '../../../src/core/digest.ts';
import { startDepot } from '../../../src/depot/server.ts';

const [file = '', text = ''] = process.argv.slice(2);
const digest = parseDigest(text);
const entry = {
  repository: 'bench',
  tags: {},
  manifests: new Map(),
  blobs: new Map([[digest, statSync(file).size]]),
};
const depot = await startDepot(
  {
    repositories: () => [entry],
    models: () => [],
    releases: () => [],
    blobPath: () => file,
    requireIntact: async () => {},
    linking: (_, work) => work(),
  },
  { address: '127.0.0.1', port: 0 },
);
const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
console.log(depot.host);
process.once('SIGTERM', () => {
  const all = [delay.percentile(50), delay.percentile(99), delay.max];
  console.log(all.map((each) => (each / 1e6).toFixed(0)).join('/'));
  void depot.close();
});
