import { join } from 'node:path';
import { hasSri, type Sri, sriHex, sriOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MIB } from '../core/limits.ts';
import { ioError, readBounded, remove, writeNew } from '../io/file.ts';
import type { HashPool } from '../io/hashing.ts';
import { PassError } from '../io/positioned.ts';

/** Larger control files are not kept in memory: those of a bundle of 100,000 files have 160 MB. */
const KEPT_BYTES: number = MIB;

/** A verified control file of a bundle. What is not kept in memory is read, and verified, again. */
export interface ControlFile {
  /** @throws StowageError `part-damaged`, `file-missing`, `file-kind`, `io-failed` */
  read(): Promise<Buffer>;
  /**
   * Writes it to a new file, and fsyncs it.
   * @param copy where it may have been copied to before: used if it is intact, because the medium may be gone by now
   * @throws StowageError `part-damaged`, `output-exists`, `io-failed`
   */
  writeTo(path: string, pool: HashPool, copy?: string): Promise<void>;
}

/** The place of a file, and the sum that its bytes had. */
interface VerifiedFile {
  readonly folder: string;
  readonly path: string;
  readonly sha512: Sri;
}

/** The control file that has these bytes, which are kept only if they are few. */
export function controlFile(file: VerifiedFile, bytes: Buffer): ControlFile {
  if (bytes.length > KEPT_BYTES) return fileOnMedium(file, bytes.length);
  return { read: async () => bytes, writeTo: (path) => writeNew(path, bytes) };
}

function fileOnMedium(file: VerifiedFile, size: number): ControlFile {
  const { folder, path, sha512 } = file;
  const place = join(folder, path);
  return {
    read: async () => {
      const bytes = await readBounded(place, size, 'part-damaged');
      if (hasSri(bytes, sha512)) return bytes;
      throw changed(file, sriHex(sriOf(bytes)));
    },
    writeTo: async (target, pool, copy) => {
      for (const source of copy === undefined ? [place] : [copy, place]) {
        const found = await copyTo(source, target, size, pool).catch((error: unknown) => {
          if (source === place) throw error;
        });
        if (found === sha512) return;
        await remove(target);
        if (source === place)
          throw changed(file, found === undefined ? 'another size' : sriHex(found));
      }
    },
  };
}

/** @returns the SHA-512 of the bytes that were written; undefined if the source has another size */
async function copyTo(
  source: string,
  target: string,
  size: number,
  pool: HashPool,
): Promise<Sri | undefined> {
  const destination = { path: target, offset: 0, create: true } as const;
  const pieces = [{ length: size, destination }];
  const task = { path: source, size, offset: 0, pieces, hashes: ['sha512'] } as const;
  try {
    return (await pool.run(task)).pieces[0]?.sha512;
  } catch (error) {
    await remove(target);
    if (!(error instanceof PassError)) throw error;
    if (error.code !== 'ESIZE' && error.code !== 'ESHORT') throw ioError(error, error.path);
    return undefined;
  }
}

function changed({ folder, path, sha512 }: VerifiedFile, found: string): StowageError {
  return new StowageError('part-damaged', `${join(folder, path)} changed after it was verified`, {
    expected: sriHex(sha512),
    found,
    hint: 'make sure that nothing else writes to the medium, and run the same command again',
  });
}
