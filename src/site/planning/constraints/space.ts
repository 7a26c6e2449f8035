import { dirname } from 'node:path';
import { MIB } from '../../../core/limits.ts';
import { formatBytes } from '../../../core/text.ts';
import type { Constraint } from '../../../format/plan.ts';
import { type Arrival, arrivals } from '../../../target/change.ts';
import type { FileSystem } from '../../../target/host/host-probe.ts';
import { type DiskUse, filesIn } from '../../../target/target.ts';
import type { ConstraintInput } from './constraint.ts';

/** For journal, ledger, generation and receipt. */
const OWN_BYTES = 16 * MIB;
const OWN_FILES = 100;

/** Every file system has room for what the change writes to it, in bytes and in files. */
export async function space(input: ConstraintInput): Promise<Constraint[]> {
  const coming = arrivals(input.context.change);
  if (coming.length === 0) return [];
  const places = new Map<string, { system: FileSystem; loads: DiskUse[] }>();
  for (const load of [siteLoad(coming, input), ...(await input.target.diskUse(input.context))]) {
    const system = await input.context.host.fileSystem(load.path);
    const place = places.get(system.id) ?? { system, loads: [] };
    places.set(system.id, { system, loads: [...place.loads, load] });
  }
  return [...places.values()].flatMap(({ system, loads }) => judge(system, loads));
}

function judge({ freeBytes, freeFiles }: FileSystem, loads: readonly DiskUse[]): Constraint[] {
  const bytes = loads.reduce((sum, each) => sum + each.bytes, 0);
  const files = loads.reduce((sum, each) => sum + each.files, 0);
  const place = `on the file system of ${[...new Set(loads.map((each) => each.path))].join(' and ')}`;
  return [
    {
      rule: 'space',
      satisfied: freeBytes >= bytes,
      needs: `${formatBytes(bytes)} free ${place}`,
      found: `${formatBytes(freeBytes)} free`,
    },
    {
      rule: 'inodes',
      satisfied: freeFiles === undefined || freeFiles >= files,
      needs: `room for ${files} more files ${place}`,
      found: freeFiles === undefined ? 'no limit on files' : `room for ${freeFiles}`,
    },
  ];
}

/** Hard links to the store only need folders; trees are unpacked, templates are rendered. */
function siteLoad(coming: readonly Arrival[], { site, context }: ConstraintInput): DiskUse {
  let bytes = OWN_BYTES;
  let files = OWN_FILES;
  for (const { bundle, release } of coming) {
    for (const { text } of release.texts) bytes += Buffer.byteLength(text);
    files += release.texts.length;
    if (context.change.from.releases.some((each) => each.bundle === release.bundle)) continue;
    const folders = bundle.models.flatMap((model) =>
      model.files.map(({ path }) => dirname(`${model.name}/${path}`)),
    );
    files += new Set(folders).size + bundle.files.length;
    for (const { size } of bundle.files.filter(({ kind }) => kind === 'tree')) {
      bytes += size;
      files += filesIn(size);
    }
  }
  return { path: site.root, bytes, files };
}
