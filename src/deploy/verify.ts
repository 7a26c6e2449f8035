import type { Context } from '../core/event.ts';
import { bundleBytes, type Part } from '../format/bundle.ts';
import { HashPool } from '../io/hashing.ts';
import { forEachBounded } from '../io/queue.ts';
import type { AdmittedBundle } from './admitted-bundle.ts';
import { installerParts } from './installers.ts';
import { checkPart } from './part-check.ts';

/**
 * Hashes every part and every installer of an admitted bundle where it lies.
 * @throws StowageError `part-damaged`, `part-missing`, `file-kind`, for the first part that is not as signed
 */
export async function verifyParts(
  admitted: AdmittedBundle,
  { signal, emit }: Context,
): Promise<void> {
  const { bundle, folder } = admitted;
  const parts = [...installerParts(bundle), ...bundle.blobs.flatMap((blob) => blob.parts)];
  const total = bundleBytes(bundle);
  emit({ type: 'step', step: 'verify', subject: `${parts.length} parts` });
  let done = 0;
  const count = (bytes: number): void => {
    done += bytes;
    emit({ type: 'progress', task: 'verify', done, total, unit: 'bytes' });
  };
  const pool = new HashPool(signal);
  try {
    await forEachBounded(parts, pool.width, (part: Part) =>
      checkPart(bundle, folder, part, pool, count),
    );
  } finally {
    await pool.close();
  }
}
