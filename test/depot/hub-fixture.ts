import { createHash } from 'node:crypto';
import type { CatalogModel } from '../../src/depot/catalog.ts';
import type { Store } from './fixture.ts';

export interface ModelValues {
  readonly repository?: string;
  readonly commit?: string;
  readonly revision?: string;
  readonly license?: string;
  readonly tags?: readonly string[];
  readonly release?: Partial<CatalogModel['release']>;
}

export const COMMIT: string = 'c0ffee'.padEnd(40, '0');

/** Puts files into a store as a model of its catalog; those named like weights as the Hub keeps them in LFS. */
export function addModel(
  store: Store,
  files: Readonly<Record<string, Uint8Array | string>>,
  { release, ...values }: ModelValues = {},
): CatalogModel {
  const model: CatalogModel = {
    repository: 'example/tiny',
    commit: COMMIT,
    revision: 'main',
    ...values,
    files: Object.entries(files).map(([path, content]) => {
      const bytes = Buffer.from(content);
      const digest = store.add(bytes);
      const large = /\.(?:safetensors|gguf|bin)$/.test(path);
      return { path, size: bytes.length, digest, ...(large ? {} : { gitOid: gitBlob(bytes) }) };
    }),
    release: {
      name: 'chat',
      version: '1.0.0',
      seq: 1,
      resolvedAt: '2026-11-20T00:00:00Z',
      ...release,
    },
  };
  store.hubModels.push(model);
  return model;
}

/** The id of a file by `git hash-object`. */
export function gitBlob(bytes: Uint8Array): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}
