import { join } from 'node:path';
import { type Column, columnsOf, type Parity, type Part, recoveryShape } from '../format/part.ts';
import { coefficient } from '../parity/field.ts';
import type { CodingInput } from './coding-task.ts';
import { ioError, syncFolder } from './file.ts';
import { makeFolder, requireSpace } from './folder.ts';
import type { HashPool } from './hashing.ts';
import { PassError } from './positioned.ts';
import { forEachBounded } from './queue.ts';

export interface ParityTarget {
  /** The bundle's folder. */
  readonly folder: string;
  /** Where parts are that are not in the folder. */
  readonly elsewhere?: ReadonlyMap<string, { readonly path: string; readonly offset: number }>;
  readonly pool: HashPool;
  /** Called with the number of bytes written. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Calculates and writes the recovery parts of parts that are already in the folder, or elsewhere.
 * @param shape `columns` counts parts; `rows` is how many recovery rows there will be
 * @throws StowageError `space-insufficient`, `io-failed`
 */
export async function writeParity(
  parts: readonly Part[],
  shape: Omit<Parity, 'rows'> & { readonly rows: number },
  target: ParityTarget,
): Promise<Parity> {
  const { folder, pool, onBytes } = target;
  const { columns: counts, stripe, discs } = shape;
  const columns = columnsOf(counts, parts);
  const length = longest(columns);
  await requireSpace(folder, shape.rows * length);
  await makeFolder(join(folder, 'parity'));
  const shapes = Array.from({ length: shape.rows }, (_, row) => recoveryShape(row, stripe, length));
  const rows = shapes.map((): Part[] => []);
  const stripes = Array.from({ length: Math.ceil(length / stripe) }, (_, index) => index);
  await forEachBounded(stripes, pool.width, async (index) => {
    const from = index * stripe;
    const size = Math.min(stripe, length - from);
    const outputs = shapes.map((row) => ({
      segments: [{ path: join(folder, row[index]?.path ?? ''), offset: 0, length: size }],
      create: true,
    }));
    const inputs = columns.map((column, at) => ({
      ...segmentsOf(column, from, size, target),
      factors: shapes.map((_, row) => coefficient(row, at)),
    }));
    const sums = await pool.code({ length: size, inputs, outputs }).catch(asIoError);
    shapes.forEach((row, at) => {
      const [place, sum] = [row[index], sums[at]];
      if (place === undefined || sum === undefined) throw new Error('a recovery part without sums');
      (rows[at] as Part[])[index] = { ...place, ...sum };
    });
    onBytes(size * shape.rows);
  });
  await syncFolder(join(folder, 'parity'));
  return { stripe, columns: counts, discs, rows };
}

function segmentsOf(
  column: Column,
  from: number,
  size: number,
  { folder, elsewhere }: ParityTarget,
): Pick<CodingInput, 'segments'> {
  return {
    segments: column.parts.flatMap(({ part, start }) => {
      const begin = Math.max(start, from);
      const end = Math.min(start + part.size, from + size);
      if (begin >= end) return [];
      const place = elsewhere?.get(part.path) ?? { path: join(folder, part.path), offset: 0 };
      return [{ ...place, offset: place.offset + begin - start, length: end - begin }];
    }),
  };
}

function longest(columns: readonly Column[]): number {
  return Math.max(0, ...columns.map((column) => column.length));
}

function asIoError(error: unknown): never {
  throw error instanceof PassError ? ioError(error, error.path) : error;
}
