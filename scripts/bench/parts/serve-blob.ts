// Serves one file as a blob until it is stopped. usage: serve-blob.ts FILE DIGEST; prints where it listens.
import { statSync } from 'node:fs';
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
console.log(depot.host);
process.once('SIGTERM', () => void depot.close());
