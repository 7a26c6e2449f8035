import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { GIB, KIB } from '../../src/core/limits.ts';
import type { BenchContext, Row } from './benchmark.ts';
import { inTurns, measure, measureStowage } from './measure.ts';
import { importArguments, makeAuthority } from './media/authority.ts';
import { makeBundle } from './media/make-bundle.ts';

export const name = 'media-many';
export const about =
  'inspect at 10 and 10,000 parts; import of one file of 8 GiB (or --size) and of 100,000 of 1 KiB';

export async function run({ folder, size = 8 * GIB, say }: BenchContext): Promise<Row[]> {
  const authority = await makeAuthority(folder);
  const rows: Row[] = [];
  const inspected: Record<string, string> = {};
  for (const count of [10, 10_000]) {
    say(`making ${count} parts`);
    const bundle = await makeBundle(join(folder, `${count}`), { count, size: KIB }, authority);
    inspected[`inspect at ${count} parts`] = bundle;
  }
  const runs = Object.entries(inspected).map(
    ([what, bundle]) => [what, () => measureStowage(['inspect', bundle])] as const,
  );
  for (const [what, { seconds }] of Object.entries(await inTurns(3, Object.fromEntries(runs))))
    rows.push({ what, figure: seconds, unit: 's', goal: 'under 0.3' });
  for (const content of [
    { count: 1, size },
    { count: 100_000, size: KIB },
  ]) {
    const what = `${content.count} file${content.count === 1 ? '' : 's'} of ${content.size} bytes`;
    say(`making ${what}`);
    const [place, site, copy] = ['large', 'site', 'copy'].map((each) => join(folder, each)) as [
      string,
      string,
      string,
    ];
    const bundle = await makeBundle(place, content, authority);
    const script = 'cp -r "$0" "$1" && sync -f "$1"';
    const copied = await measure('sh', ['-c', script, bundle, copy]);
    rmSync(copy, { recursive: true });
    const { seconds, peakMib } = await measureStowage(importArguments(bundle, site, authority));
    const limit = { what: 'cp + sync', figure: copied.seconds };
    rows.push(
      {
        what: `import of ${what}`,
        figure: seconds,
        unit: 's',
        limit,
        ratio: seconds / copied.seconds,
      },
      { what: `import of ${what}, resident`, figure: peakMib, unit: 'MiB', goal: 'under 256' },
    );
    for (const each of [place, site]) rmSync(each, { recursive: true });
  }
  return rows;
}
