import { readTrust } from '../../bundle/admission/trust-files.ts';
import { readSignatures } from '../../bundle/bundle-files.ts';
import { findDiscs } from '../../bundle/discs.ts';
import { viewBundle } from '../../bundle/inspect/bundle-view.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_TRUST_BYTES } from '../../core/limits.ts';
import { readJson } from '../../format/document.ts';
import { lockKind } from '../../format/lock.ts';
import { readNamed } from '../../io/file.ts';
import type { SourceBundle } from '../../source/bundle-models.ts';
import type { CommandContext } from '../command.ts';

const LOCK = 'attestations/lock.json';

/**
 * Opens a bundle as a source of models: its signatures are verified with a trust document of its origin, and its lists.
 * @throws StowageError as admission does; `part-missing` if the bundle has no lock
 */
export async function openSourceBundle(
  place: string,
  trustFile: string,
  { now, emit }: CommandContext,
  signal: AbortSignal,
): Promise<SourceBundle> {
  const { trust } = readTrust(await readNamed(trustFile, MAX_TRUST_BYTES), now());
  const folders = await findDiscs([place]);
  const view = await viewBundle(folders, { trust, now, emit, signal });
  const { bundle, id, verdict } = view;
  const paths = bundle.control
    .map(({ path }) => path)
    .filter((path) => path === LOCK || /^attestations\/upstream-.*\.vsa\.json$/.test(path));
  const evidence = new Map<string, Buffer>();
  for (const path of ['SHA512SUMS', 'bundle.json', ...paths]) {
    const bytes = await view.control(path);
    if (bytes !== undefined) evidence.set(path, bytes);
  }
  for (const { name, bytes } of await readSignatures(folders[0] ?? place))
    evidence.set(`signatures/${name}`, bytes);
  const lock = evidence.get(LOCK);
  if (lock === undefined)
    throw new StowageError('part-missing', `${place} has no lock of its content`, {
      expected: LOCK,
      found: 'nothing',
      hint: 'use a bundle that has one, or another source of the model',
    });
  const { name, version, seq } = bundle;
  return {
    ...{ id, name, version, seq, evidence },
    signers: (verdict?.signers ?? [])
      .filter(({ counted }) => counted)
      .map(({ subject }) => subject),
    models: readJson(lockKind, lock).models,
  };
}
