import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { examinePulled } from '../../src/build/examine.ts';
import type { Sources } from '../../src/build/origins.ts';
import { resolve } from '../../src/build/resolve.ts';
import { MIB } from '../../src/core/limits.ts';
import { withFile } from '../../src/examine/bytes.ts';
import { examineContent } from '../../src/examine/examine-content.ts';
import { findSecrets } from '../../src/examine/secrets.ts';
import { checkDocument } from '../../src/format/document.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { seededRandom } from '../../test/lab/random.ts';
import type { BenchContext, Row } from './benchmark.ts';
import { inTurns, type Measured, measure } from './measure.ts';

export const name = 'examine';
export const about =
  'examination of a file that is searched for secrets, beside sha256sum; and of the same file once more';

const DEFAULT_BYTES: number = 640 * MIB;
const { signal } = new AbortController();

export async function run({ folder, size = DEFAULT_BYTES, say }: BenchContext): Promise<Row[]> {
  say('writing the file');
  const source = join(folder, 'data.dat');
  await writeMixed(source, size);
  const timed = await inTurns(3, {
    examine: () => time(() => examine(source)),
    sha256sum: () => measure('sha256sum', [source]),
  });
  say('locking it');
  const store = new BlobStore(join(folder, 'store'));
  mkdirSync(store.root);
  const manifest = checkDocument(manifestKind, {
    apiVersion: 'stowage/v1',
    name: 'bench',
    version: '1.0.0',
    files: [{ name: 'data', source: source }],
  });
  const options = {
    ...{ signal, emit: () => {}, now: () => new Date(), folder },
    ...{ store, sources: {} as Sources },
  };
  const lock = await resolve(manifest, options);
  const again = await time(() => examinePulled(lock, options));
  const speed = (of: Measured): number => size / 1e6 / of.seconds;
  const limit = { what: 'sha256sum', figure: speed(timed.sha256sum) };
  return [
    {
      ...{ what: 'examination, first time', figure: speed(timed.examine), unit: 'MB/s', limit },
      ...{ ratio: speed(timed.examine) / limit.figure, goal: 'at least 0.8' },
    },
    { what: 'examination at pack, after lock', figure: again.seconds, unit: 's', goal: '0' },
  ];
}

async function examine(path: string): Promise<void> {
  await withFile(path, (bytes) =>
    examineContent(bytes, {
      ...{ name: 'data.dat', signal, report: () => {} },
      visit: async (content) => void (await findSecrets(content)),
    }),
  );
}

async function time(work: () => Promise<void>): Promise<Measured> {
  const start = performance.now();
  await work();
  return { seconds: (performance.now() - start) / 1000, cpuSeconds: 0, peakMib: 0 };
}

/** Numbers and text in turns. */
async function writeMixed(path: string, size: number): Promise<void> {
  const random = seededRandom(33);
  const numbers = Buffer.from(Uint8Array.from({ length: MIB }, () => Math.floor(random() * 256)));
  const text = Buffer.alloc(MIB, '{"token": "the machine learns", "rank": 1234},\n');
  const chunks = function* (): Generator<Buffer> {
    for (let done = 0; done < size; done += MIB)
      yield ((done / MIB) % 2 === 0 ? numbers : text).subarray(0, Math.min(MIB, size - done));
  };
  await pipeline(Readable.from(chunks()), createWriteStream(path));
}
