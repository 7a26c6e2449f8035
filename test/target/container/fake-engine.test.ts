import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { type Depot, startDepot } from '../../../src/depot/server.ts';
import { FakeEngine } from '../../support/fake-engine.ts';
import { everyTarget } from './engine-suite.ts';
import { type ServedImage, shellImage } from './shell-image.ts';

const folder = mkdtempSync(join(tmpdir(), 'stowage-fake-'));
let served: ServedImage;
let depot: Depot;
const target = new FakeEngine();

beforeAll(async () => {
  served = await shellImage(join(folder, 'layout'), 'shell-1');
  depot = await startDepot(served.catalog, { address: '127.0.0.1', port: 0 });
});

afterAll(async () => {
  await depot.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('the target in memory that other tests use', () => {
  everyTarget(() => ({ target, image: served.image, depotHost: depot.host }));
});
