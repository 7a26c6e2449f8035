import { join } from 'node:path';
import type { PartFault } from '../../bundle/part-check.ts';
import { MAX_INDEX_BYTES } from '../../core/limits.ts';
import type { NeededPart, RepairList } from '../../format/repair-list.ts';
import { readIfThere, writeAtomic } from '../../io/file.ts';
import type { SiteFolder } from '../site-folder.ts';
import type { PartialImport } from './partial-import.ts';
import { stagingFolder } from './staging.ts';

type Damage = Readonly<Record<string, NeededPart['damaged']>>;

/** Records where parts were damaged, for the repair list. */
export async function recordDamage(folder: string, faults: readonly PartFault[]): Promise<void> {
  if (faults.length === 0) return;
  const damage = { ...(await readDamage(folder)) };
  for (const { part, ranges } of faults) damage[part.path] = ranges;
  await writeAtomic(join(folder, 'damage.json'), Buffer.from(JSON.stringify(damage)));
}

/** What a site lacks of a bundle, for the side that has the bundle complete. */
export async function repairListOf(
  site: SiteFolder,
  { id, bundle, missing }: PartialImport,
): Promise<RepairList> {
  const damage = await readDamage(stagingFolder(site, id));
  return {
    schema: 'stowage/repair-list/v1',
    name: bundle.name,
    version: bundle.version,
    bundle: id,
    partSize: bundle.partSize,
    parts: missing.map(({ path, size, sha512 }) => ({
      ...{ path, size, sha512 },
      damaged: [...(damage[path] ?? [])],
    })),
  };
}

// Only a note on where parts were damaged: one that cannot be parsed is ignored.
async function readDamage(folder: string): Promise<Damage> {
  try {
    const bytes = await readIfThere(join(folder, 'damage.json'), MAX_INDEX_BYTES);
    return JSON.parse(bytes?.toString('utf8') ?? '{}') as Damage;
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
