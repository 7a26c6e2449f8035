import { type Emit, Tally } from '../../core/context.ts';
import { dataParts } from '../../format/bundle.ts';
import type { Column, Parity, Part } from '../../format/part.ts';
import type { CodingTask, Segment } from '../../io/coding-task.ts';
import { ioError } from '../../io/file.ts';
import type { HashPool } from '../../io/hashing.ts';
import { PassError } from '../../io/positioned.ts';
import { forEachBounded } from '../../io/queue.ts';
import { recoveryMatrix } from '../../parity/field.ts';
import { partsWithin, planRebuild, type RebuildPlan } from './rebuild-plan.ts';
import type { Staging } from './staging.ts';

/**
 * Rebuilds all missing parts that can be rebuilt from parts and recovery parts at the site. A rebuilt part is hashed like
 * any other and kept only if it is as signed.
 * @param onPart called for each part that was rebuilt
 * @throws StowageError `space-insufficient`, `io-failed`, `interrupted`
 */
export async function rebuild(
  staging: Staging,
  pool: HashPool,
  emit: Emit,
  onPart: (part: Part) => void,
): Promise<void> {
  const { parity } = staging.bundle;
  if (parity === undefined) return;
  const has = (part: Part): boolean => staging.has(part);
  const plan = planRebuild(parity, dataParts(staging.bundle), has);
  for (const part of touched(plan)) await staging.allocate(part);
  const tasks = plan.stretches.map((stretch) => taskOf(stretch, plan, parity, staging));
  const segments = tasks.flatMap(({ inputs }) => inputs.flatMap((each) => each.segments));
  const total = segments.reduce((sum, { length }) => sum + length, 0);
  const tally = new Tally(emit, 'rebuild', total);
  await forEachBounded(tasks, pool.width, async (task) => {
    await pool.code(task, tally.add).catch(asIoError);
  });
  await forEachBounded(plan.parts, pool.width, async (part) => {
    if (!(await matches(part, staging, pool))) return;
    await staging.keep(part);
    onPart(part);
  });
}

function touched({ stretches, columns, parts }: RebuildPlan): Set<Part> {
  const written = stretches.flatMap((stretch) =>
    stretch.lost.flatMap((column) => partsWithin(columns[column], stretch).map(({ part }) => part)),
  );
  return new Set([...parts, ...written]);
}

function taskOf(
  stretch: RebuildPlan['stretches'][number],
  { columns, parts }: RebuildPlan,
  parity: Parity,
  staging: Staging,
): CodingTask {
  const { lost, rows, from, to, stripe } = stretch;
  const kept = columns.flatMap((_, index) => (lost.includes(index) ? [] : [index]));
  const matrix = recoveryMatrix(lost, kept, rows);
  // Ranges of parts that cannot be completed are not written.
  const wanted = lost.flatMap((column, index) =>
    partsWithin(columns[column], stretch).some(({ part }) => parts.has(part)) ? [index] : [],
  );
  const factorsOf = (input: number): number[] => wanted.map((at) => matrix[at]?.[input] ?? 0);
  const inputs = [
    ...kept.map((column, at) => ({
      segments: segmentsOf(columns[column], from, to, staging),
      factors: factorsOf(at),
    })),
    ...rows.map((row, at) => ({
      segments: recoverySegment(parity.rows[row]?.[stripe], from, to, staging),
      factors: factorsOf(kept.length + at),
    })),
  ];
  const outputs = wanted.map((at) => ({
    segments: segmentsOf(columns[lost[at] ?? -1], from, to, staging),
    create: false,
  }));
  return { length: to - from, inputs, outputs };
}

function segmentsOf(
  column: Column | undefined,
  from: number,
  to: number,
  staging: Staging,
): Segment[] {
  return partsWithin(column, { from, to }).map(({ part, start }) => {
    const begin = Math.max(start, from);
    const { path, offset } = staging.place(part);
    const length = Math.min(start + part.size, to) - begin;
    return { path, offset: offset + begin - start, length };
  });
}

function recoverySegment(
  part: Part | undefined,
  from: number,
  to: number,
  staging: Staging,
): Segment[] {
  if (part === undefined) return [];
  return [{ path: staging.place(part).path, offset: from - part.offset, length: to - from }];
}

async function matches(part: Part, staging: Staging, pool: HashPool): Promise<boolean> {
  const { path, offset } = staging.place(part);
  const pieces = [{ length: part.size }];
  const size = staging.placeSize(part);
  const result = await pool
    .run({ path, size, offset, pieces, hashes: ['sha512'] })
    .catch(asIoError);
  return result.pieces[0]?.sha512 === part.sha512;
}

function asIoError(error: unknown): never {
  throw error instanceof PassError ? ioError(error, error.path) : error;
}
