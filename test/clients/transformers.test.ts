import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportHubCache } from '../../src/depot/hub-cache.ts';
import { Store } from '../depot/fixture.ts';
import { addModel } from '../depot/hub-fixture.ts';
import { type AirGap, airGap } from '../lab/airgap.ts';
import { type Relay, relay } from '../lab/relay.ts';
import { context } from '../support/context.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type HubDepot, hubDepot, ID } from './hub-depot.ts';
import { askPython, hubEnvironment, type PythonClient, pythonClient } from './python.ts';

const scratch = scratchFolder();
const cache = scratch.fresh('cache');
let client: PythonClient;
let hub: HubDepot;
let gap: AirGap;
let passage: Relay;

beforeAll(async () => {
  client = await pythonClient('transformers-5.23.0');
  const folder = scratch.fresh('model');
  mkdirSync(folder);
  const home = scratch.fresh('home');
  await askPython(client, SCRIPT, { do: 'make', folder }, { env: hubEnvironment(home) });
  const store = new Store();
  const files = readdirSync(folder).map(
    (name) => [name, readFileSync(join(folder, name))] as const,
  );
  addModel(store, Object.fromEntries(files));
  await exportHubCache(store, cache, context());
  hub = await hubDepot(store);
  gap = await airGap();
  passage = await relay(gap.enter, hub.port);
});
afterAll(async () => {
  await passage?.close();
  await gap?.destroy();
  await hub?.stop();
});

const SCRIPT = 'transformers_client.py';
const LOADED = {
  version: '5.23.0',
  type: 'llama',
  hidden: 8,
  tokens: [3, 4, 5, 6, 7],
  sum: (63 * 64) / 2,
  absent: null,
};

describe('when transformers loads a model', () => {
  // biome-ignore lint/suspicious/noExplicitAny: what the script answers
  const load = (env: NodeJS.ProcessEnv): Promise<any> =>
    askPython(client, SCRIPT, { do: 'load', name: ID }, { env, enter: gap.enter });

  it('loads it from the depot, without any other network', async () => {
    expect(await load(hubEnvironment(scratch.fresh('home'), hub.endpoint))).toEqual(LOADED);
  });

  it('loads it offline from the exported cache', async () => {
    const env = hubEnvironment(scratch.fresh('home'));
    expect(await load({ ...env, HF_HUB_CACHE: cache, HF_HUB_OFFLINE: '1' })).toEqual(LOADED);
  });
});
