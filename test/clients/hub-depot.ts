import { createHash } from 'node:crypto';
import { type Depot, startDepot } from '../../src/depot/server.ts';
import { Store } from '../depot/fixture.ts';
import { addModel, COMMIT } from '../depot/hub-fixture.ts';
import { seededRandom } from '../lab/random.ts';

const MIB = 1024 * 1024;
export const ID = 'example/tiny';
export const OLD: string = '0ld'.replace('l', '1').padEnd(40, 'a');
export { COMMIT };

/** Files with various sizes and names, as in a model repository. */
export const FILES: Readonly<Record<string, Buffer>> = {
  'README.md': Buffer.from('---\nlicense: apache-2.0\n---\n'),
  'config.json': Buffer.from('{"model_type":"llama"}'),
  'empty.txt': Buffer.alloc(0),
  'one.txt': Buffer.from('1'),
  'sub dir/ü +&.txt': Buffer.from('hi'),
  'sub dir/deep/er.json': Buffer.from('{}'),
  'mebibyte.bin': noise(MIB, 1),
  'model.safetensors': noise(32 * MIB, 2),
};
const OLD_FILES = { 'config.json': Buffer.from('{}'), 'empty.bin': Buffer.alloc(0) };

/** SHA-256 of each file, by path. */
export const SUMS: Readonly<Record<string, string>> = sumsOf(FILES);
export const OLD_SUMS: Readonly<Record<string, string>> = sumsOf(OLD_FILES);

export interface HubDepot {
  readonly store: Store;
  readonly depot: Depot;
  readonly port: number;
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** A store with one repository at two commits, without a server. */
export function tinyStore(): Store {
  const store = new Store();
  addModel(store, FILES, { license: 'apache-2.0', tags: ['text-generation', 'transformers'] });
  const release = { version: '0.9.0', seq: 0, resolvedAt: '2026-10-01T00:00:00Z' };
  addModel(store, OLD_FILES, { commit: OLD, revision: 'release/v1', release });
  return store;
}

/** A depot on loopback that serves a store. */
export async function hubDepot(store: Store): Promise<HubDepot> {
  const depot = await startDepot(store, { address: '127.0.0.1', port: 0 });
  return {
    store,
    depot,
    port: Number(depot.host.split(':')[1]),
    endpoint: `http://${depot.host}`,
    stop: async () => {
      await depot.close();
      store.remove();
    },
  };
}

function noise(size: number, seed: number): Buffer {
  const random = seededRandom(seed);
  return Buffer.from(Uint32Array.from({ length: size / 4 }, () => random() * 2 ** 32).buffer);
}

function sumsOf(files: Readonly<Record<string, Buffer>>): Record<string, string> {
  const sum = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  return Object.fromEntries(Object.entries(files).map(([path, bytes]) => [path, sum(bytes)]));
}
