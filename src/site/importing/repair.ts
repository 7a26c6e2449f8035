import { join } from 'node:path';
import type { PartFault } from '../../bundle/part-check.ts';
import { MAX_INDEX_BYTES } from '../../core/limits.ts';
import type { NeededPart, RepairList } from '../../format/repair-list.ts';
import { readIfThere, writeAtomic } from '../../io/file.ts';
import type { SiteFolder } from '../site-folder.ts';
import type { IncomingRelease } from './incoming.ts';
import { stagingFolder } from './staging.ts';

type Damage = Readonly<Record<string, NeededPart['damaged']>>;

/** Remembers where parts were damaged, for the list that is carried back. */
export async function noteFaults(folder: string, faults: readonly PartFault[]): Promise<void> {
  if (faults.length === 0) return;
  const damage = { ...(await readDamage(folder)) };
  for (const { part, ranges } of faults) damage[part.path] = ranges;
  await writeAtomic(join(folder, 'damage.json'), Buffer.from(JSON.stringify(damage)));
}

/** What a site lacks of a bundle, to be brought from where the bundle is whole. */
export async function repairListOf(
  site: SiteFolder,
  { id, bundle, missing }: IncomingRelease,
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

// Our own note, and only about where to look: one that cannot be read is as good as none.
async function readDamage(folder: string): Promise<Damage> {
  try {
    const bytes = await readIfThere(join(folder, 'damage.json'), MAX_INDEX_BYTES);
    return JSON.parse(bytes?.toString('utf8') ?? '{}') as Damage;
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
