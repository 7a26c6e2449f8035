import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { assemble } from '../../../src/build/assemble.ts';
import type { Digest } from '../../../src/core/digest.ts';
import { GIB, MIB } from '../../../src/core/limits.ts';
import { checkDocument, readValue } from '../../../src/format/document.ts';
import { type Lock, lockKind } from '../../../src/format/lock.ts';
import { manifestKind } from '../../../src/format/manifest.ts';
import { BlobStore } from '../../../src/io/blob-store.ts';
import { hostPlatform } from '../../../src/target/host/platform.ts';
import { measureStowage } from '../measure.ts';
import type { Authority } from './authority.ts';

/** The files of a model to make a bundle of. */
export interface Content {
  readonly count: number;
  /** Bytes of each. */
  readonly size: number;
  /** Whether they are holes of zeros. */
  readonly sparse?: boolean;
}

/** Makes a signed bundle in a folder `bundle`, by the product's own code, without measuring anything. */
export async function makeBundle(
  folder: string,
  content: Content,
  authority: Authority,
): Promise<string> {
  const store = new BlobStore(join(folder, 'store'));
  const blobs = join(store.root, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const files: Lock['models'][number]['files'][number][] = [];
  for (let index = 0; index < content.count; index++) {
    const digest = writeBlob(blobs, content);
    files.push({ path: `part/${index}.bin`, size: content.size, digest });
  }
  const model = { name: 'large', source: 'hf://example/large@main' };
  const manifest = checkDocument(manifestKind, {
    ...{ apiVersion: 'stowage/v1', name: 'bench', version: '1.0.0', models: [model] },
    platforms: [hostPlatform()],
  });
  const lock = readValue(lockKind, {
    ...{ schema: 'stowage/lock/v1', seq: 1, resolvedAt: '2026-11-20T00:00:00Z', manifest },
    models: [
      {
        ...{ ...model, endpoint: 'https://hub.example', repository: 'example/large', gated: false },
        ...{ commit: '0'.repeat(40), license: 'apache-2.0', files },
      },
    ],
    ...{ images: [], files: [], findings: [] },
  });
  const output = join(folder, 'bundle');
  const context = {
    signal: new AbortController().signal,
    emit: () => {},
    now: () => new Date(),
  };
  await assemble(lock, { ...context, store, output, partSize: GIB });
  rmSync(store.root, { recursive: true });
  const { key, certificate } = authority;
  await measureStowage(['sign', output, '--key', key, '--certificate', certificate]);
  return output;
}

/** A blob of a store: of zeros that take no room, or of bytes that differ each time. */
function writeBlob(folder: string, { size, sparse = false }: Content): Digest {
  const temporary = join(folder, 'new');
  const hash = createHash('sha256');
  const file = openSync(temporary, 'w');
  const chunk = sparse ? Buffer.alloc(MIB) : randomBytes(Math.min(size, MIB));
  for (let done = 0; done < size; ) {
    const bytes = chunk.subarray(0, Math.min(MIB, size - done));
    if (!sparse) {
      bytes.writeUInt32LE(done / MIB, 0);
      writeSync(file, bytes);
    }
    hash.update(bytes);
    done += bytes.length;
  }
  closeSync(file);
  if (sparse) truncateSync(temporary, size);
  const hex = hash.digest('hex');
  renameSync(temporary, join(folder, hex));
  return `sha256:${hex}` as Digest;
}
