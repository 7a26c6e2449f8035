import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { GIB } from '../../src/core/limits.ts';
import type { BenchContext, Row } from './benchmark.ts';
import { measure, measureStowage } from './measure.ts';
import { importArguments, makeAuthority } from './media/authority.ts';
import { makeBundle } from './media/make-bundle.ts';

export const name = 'media-memory';
export const about = 'resident memory of verify and import, at 1 GiB and at 20 (or --size)';

export async function run({ folder, size = 20 * GIB, say }: BenchContext): Promise<Row[]> {
  const authority = await makeAuthority(folder);
  const rows: Row[] = [];
  for (const bytes of [GIB, size]) {
    const place = join(folder, `${bytes}`);
    const site = join(folder, 'site');
    const amount = `${(bytes / GIB).toPrecision(3)} GiB`;
    say(`making ${amount} of zeros`);
    const bundle = await makeBundle(place, { count: 1, size: bytes, sparse: true }, authority);
    await measure('sh', ['-c', 'fallocate --dig-holes "$0"/blobs/sha256/*.* || :', bundle]);
    const runs = {
      verify: await measureStowage(['verify', bundle, '--trust', authority.root]),
      import: await measureStowage(importArguments(bundle, site, authority)),
    };
    for (const [command, { peakMib }] of Object.entries(runs))
      rows.push({
        what: `${command} ${amount}, resident`,
        figure: peakMib,
        unit: 'MiB',
        goal: 'under 256',
      });
    for (const each of [place, site]) rmSync(each, { recursive: true });
  }
  return rows;
}
