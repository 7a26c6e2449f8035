import { StowageError } from '../core/error.ts';
import type { Lock } from '../format/lock.ts';
import type { BlobStore } from '../io/blob-store.ts';

/**
 * The signatures, lists and verdicts of the bundles that models were taken from, by their path in the new bundle.
 * @throws StowageError `blob-damaged` if the store no longer has them
 */
export async function hopEvidence(
  { models }: Pick<Lock, 'models'>,
  store: BlobStore,
): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  for (const { name, hop } of models) {
    for (const { path, size, digest } of hop?.evidence ?? []) {
      if ((await store.size(digest)) !== size)
        throw new StowageError('blob-damaged', `the store lacks ${path} of the bundle of ${name}`, {
          expected: digest,
          found: 'nothing',
          hint: 'run stowage lock again: it reads the bundle again',
        });
      found.set(`attestations/hop-${name}/${path}`, await store.read(digest, size));
    }
  }
  return found;
}
