import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MIB } from '../../src/core/limits.ts';
import type { BenchContext, Row } from './benchmark.ts';
import { inTurns, measure, measureStowage, project } from './measure.ts';
import { makeAuthority } from './media/authority.ts';
import { makeBundle } from './media/make-bundle.ts';

export const name = 'start';
export const about = 'how long the program takes to start, beside node -e 0';

const TIMES = 25;
const NOTHING = 'node -e 0';

export async function run({ folder, say }: BenchContext): Promise<Row[]> {
  say('making a small bundle');
  const authority = await makeAuthority(folder);
  const bundle = await makeBundle(join(folder, 'bundle'), { count: 4, size: MIB }, authority);
  const site = join(folder, 'site');
  await mkdir(site);
  await writeFile(join(site, 'site.yaml'), 'apiVersion: stowage/v1\nname: empty\n');
  const commands: Readonly<Record<string, readonly string[]>> = {
    'stowage --version': ['--version'],
    'stowage --help': ['--help'],
    'stowage install --help': ['install', '--help'],
    'stowage inspect, of a small bundle': ['inspect', bundle],
    'stowage verify, of a small bundle': ['verify', bundle, '--trust', authority.root],
    'stowage status, of an empty site': ['status', '--site', site],
  };
  say(`each ${TIMES} times, in turns`);
  const node = join(project, 'node_modules/.bin/node');
  const taken = await inTurns<string>(TIMES, {
    [NOTHING]: () => measure(node, ['-e', '0']),
    ...Object.fromEntries(
      Object.entries(commands).map(([what, args]) => [what, () => measureStowage(args)]),
    ),
  });
  const limit = { what: NOTHING, figure: taken[NOTHING]?.seconds ?? 0 };
  const rows = Object.entries(taken).filter(([what]) => what !== NOTHING);
  return rows.map(([what, { seconds }]) => ({
    ...{ what, figure: seconds, unit: 's', limit, ratio: seconds / limit.figure },
    ...(what.includes('help') || what.includes('version') ? { goal: 'under 2' } : {}),
  }));
}
