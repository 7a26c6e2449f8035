import type { Context, StowageEvent } from '../../src/core/context.ts';
import { type Digest, digestHex, digestOf } from '../../src/core/digest.ts';
import { canonicalBytes, type Json } from '../../src/core/json.ts';
import { readValue } from '../../src/format/document.ts';
import { type Lock, lockKind } from '../../src/format/lock.ts';
import type { LockedBlob } from '../../src/format/locked-content.ts';
import { BlobStore } from '../../src/io/blob-store.ts';

/** A context with a fixed clock; `events` collects the emitted events. */
export function contextOf(
  signal: AbortSignal = new AbortController().signal,
  emit: (event: StowageEvent) => void = () => {},
): Context {
  return { signal, emit, now: () => new Date('2026-11-21T10:00:00Z') };
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar';

/** The blobs of {@link lockOf}, by their name in tests. */
export interface Sample {
  readonly lock: Lock;
  readonly blobs: Readonly<Record<string, Buffer>>;
}

/**
 * A lock with a model (one file of `weightBytes`, one empty, one small), an image for two platforms, a tree and a
 * file, and the bytes of all its blobs.
 */
export function sampleOf(weightBytes: number): Sample {
  const weights = Buffer.alloc(weightBytes, 'weights! ');
  const card = Buffer.from('# a card\n');
  const layer = Buffer.from('layer');
  const config = Buffer.from('{"architecture":"amd64"}');
  const manifest = canonicalBytes({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: descriptor(config, CONFIG),
    layers: [descriptor(layer, LAYER)],
  });
  const index = canonicalBytes({
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: [descriptor(manifest, MANIFEST)],
  });
  const tree = Buffer.from('tree');
  const empty = Buffer.alloc(0);
  const lock = {
    schema: 'stowage/lock/v1',
    seq: 7,
    resolvedAt: '2026-11-21T10:00:00Z',
    manifest: {
      apiVersion: 'stowage/v1',
      name: 'chat',
      version: '1.4.0',
      description: 'a model that answers',
      models: [{ name: 'tiny', source: 'hf://demo/tiny@main' }],
      images: [{ name: 'server', source: 'registry.example/demo/server:1.0' }],
      files: [
        { name: 'settings', source: './settings' },
        { name: 'note', source: './note.txt' },
      ],
    },
    models: [
      {
        name: 'tiny',
        source: 'hf://demo/tiny@main',
        endpoint: 'https://hub.example',
        repository: 'demo/tiny',
        commit: 'c'.repeat(40),
        license: 'apache-2.0',
        gated: false,
        files: [
          { path: 'README.md', size: card.length, digest: digestOf(card) },
          { path: 'empty.txt', size: 0, digest: digestOf(empty) },
          { path: 'model.safetensors', size: weights.length, digest: digestOf(weights) },
        ],
      },
    ],
    images: [
      {
        name: 'server',
        source: 'registry.example/demo/server:1.0',
        repository: 'registry.example/demo/server',
        target: descriptor(index, INDEX),
        platforms: [
          { platform: 'linux/amd64', manifest: digestOf(manifest), config: digestOf(config) },
        ],
        blobs: [
          descriptor(index, INDEX),
          descriptor(manifest, MANIFEST),
          descriptor(config, CONFIG),
          descriptor(layer, LAYER),
        ],
      },
    ],
    files: [
      file('settings', './settings', 'tree', 'settings', tree),
      file('note', './note.txt', 'file', 'note.txt', card),
    ],
    findings: [],
  };
  return {
    lock: readValue(lockKind, lock),
    blobs: { weights, card, empty, layer, config, manifest, index, tree },
  };
}

/** A lock with other fields, whose defaults may be left out. */
export function relock({ digest: _, ...lock }: Lock, fields: object): Lock {
  return readValue(lockKind, { ...lock, schema: 'stowage/lock/v1', ...fields });
}

function descriptor(bytes: Buffer, mediaType: string): { [K in keyof LockedBlob]: Json } {
  return { digest: digestOf(bytes), size: bytes.length, mediaType };
}

function file(name: string, source: string, kind: string, path: string, bytes: Buffer): object {
  return { name, source, kind, path, digest: digestOf(bytes), size: bytes.length };
}

/** A store with these blobs as after a pull, with or without checksums. */
export async function storeOf(
  root: string,
  blobs: Sample['blobs'],
  withSums: boolean = true,
  partSize: number = 0,
): Promise<BlobStore> {
  const store = new BlobStore(root);
  for (const bytes of Object.values(blobs)) {
    const digest: Digest = digestOf(bytes);
    const expected = { key: digestHex(digest), size: bytes.length, digest };
    if (!withSums) await store.put(bytes);
    else await store.receive(expected, async (from) => once(bytes.subarray(from)), { partSize });
  }
  return store;
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}
