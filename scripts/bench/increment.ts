import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MIB } from '../../src/core/limits.ts';
import { writeLargeModel } from '../../test/lab/large-model.ts';
import { run as runTool } from '../../test/lab/process.ts';
import type { BenchContext, Row } from './benchmark.ts';
import { type Measured, measure, measureStowage, project } from './measure.ts';
import { importArguments, makeAuthority } from './media/authority.ts';

export const name = 'increment';
export const about =
  'a release with one of 100 files changed, for a site that has the one before: what travels, packing and importing it, beside a whole bundle, and Zarf if ZARF names its program';

const DEFAULT_BYTES: number = 2 * 1024 ** 3;
const FILES = 100;
const CHANGED = 50;

export async function run({ folder, size = DEFAULT_BYTES, say }: BenchContext): Promise<Row[]> {
  const at = (name: string): string => join(folder, name);
  const model = at('model');
  const write = (file: number, seed: number): void =>
    writeLargeModel(join(model, `weights-${file}.safetensors`), Math.floor(size / FILES), { seed });
  say('making a model');
  for (let file = 1; file <= FILES; file++) write(file, file);
  const theirs = process.env['ZARF'];
  if (theirs !== undefined) {
    say('zarf package create');
    await zarfPackage(theirs, folder, '1.0.0');
  }
  const store = ['--store', at('store')];
  const release = async (version: string): Promise<void> => {
    const models = [{ name: 'large', source: './model', license: { id: 'apache-2.0' } }];
    const text = { apiVersion: 'stowage/v1', name: 'bench', version, models };
    writeFileSync(at('stowage.yaml'), JSON.stringify(text));
    await measureStowage(['lock', at('stowage.yaml'), ...store]);
  };
  const { key, certificate, ...authority } = await makeAuthority(folder);
  const pack = async (output: string, ...more: readonly string[]): Promise<Measured> => {
    const packing = [
      'pack',
      at('stowage.yaml'),
      ...store,
      '--no-installer',
      '--output',
      at(output),
    ];
    const packed = await measureStowage([...packing, ...more]);
    await measureStowage(['sign', at(output), '--key', key, '--certificate', certificate]);
    return packed;
  };
  const importInto = (site: string, bundle: string): Promise<Measured> =>
    measureStowage(importArguments(at(bundle), at(site), { ...authority, key, certificate }));

  say('a site imports the first version');
  await release('1.0.0');
  await pack('first');
  await importInto('site', 'first');
  rmSync(at('first'), { recursive: true });
  const receipt = JSON.parse(
    await runTool(join(project, 'node_modules/.bin/node'), [
      ...[join(project, 'dist/main.js'), 'receipt', 'write', '--root', at('site'), '--json'],
    ]),
  ) as { file: string; fingerprint: string };

  say('the second version, as an increment and whole');
  write(CHANGED, FILES + 1);
  await release('1.1.0');
  const sought = ['--for', receipt.file, '--fingerprint', receipt.fingerprint];
  const packed = await pack('increment', ...sought);
  const travels = bytesIn(at('increment'));
  const imported = await importInto('site', 'increment');
  // The limit: the bytes that travel, and one read of what the site has.
  const script = 'cp -r "$0" "$1" && sync -f "$1" && cat "$2"/* | sha512sum > /dev/null';
  const blobs = join(at('site'), 'store/blobs/sha256');
  const limit = await measure('sh', ['-c', script, at('increment'), at('copy'), blobs]);
  for (const each of ['site', 'copy', 'increment']) rmSync(at(each), { recursive: true });
  const packedWhole = await pack('whole');
  const whole = bytesIn(at('whole'));
  const importedWhole = await importInto('site', 'whole');
  for (const each of ['site', 'whole', 'store']) rmSync(at(each), { recursive: true });

  const beside = (what: string, figure: number, peer: string, of: number): Row => ({
    ...{ what, figure, unit: 's', limit: { what: peer, figure: of }, ratio: figure / of },
  });
  const rows: Row[] = [
    {
      ...{ what: 'travels', figure: travels / MIB, unit: 'MiB', goal: 'under 0.013' },
      limit: { what: 'the whole bundle', figure: whole / MIB },
      ratio: travels / whole,
    },
    beside('pack --for', packed.seconds, 'pack', packedWhole.seconds),
    beside('import', imported.seconds, 'import of the whole bundle', importedWhole.seconds),
    beside('import', imported.seconds, 'cp, sync, and sha512sum of the store', limit.seconds),
    { what: 'import, resident', figure: imported.peakMib, unit: 'MiB', goal: 'under 256' },
  ];
  if (theirs === undefined) return rows;
  say('zarf package create --differential');
  const { bytes, measured } = await zarfPackage(theirs, folder, '1.1.0', '1.0.0');
  return [
    ...rows,
    {
      ...{ what: 'travels', figure: travels / MIB, unit: 'MiB', ratio: travels / bytes },
      limit: { what: 'zarf package create --differential', figure: bytes / MIB },
    },
    beside('pack --for', packed.seconds, 'zarf package create --differential', measured.seconds),
  ];
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .reduce((sum, { parentPath, name: file }) => sum + statSync(join(parentPath, file)).size, 0);
}

/** A package of the same files. @param since the version of the package that the site has */
async function zarfPackage(
  program: string,
  folder: string,
  version: string,
  since?: string,
): Promise<{ readonly bytes: number; readonly measured: Measured }> {
  const place = join(folder, `zarf-${version}`);
  mkdirSync(place);
  const files = readdirSync(join(folder, 'model'), { withFileTypes: true })
    .filter((each) => each.isFile())
    .map(({ name: file }) => ({ source: join('../model', file), target: `/srv/model/${file}` }));
  const text = {
    ...{ kind: 'ZarfPackageConfig', metadata: { name: 'bench', version, architecture: 'amd64' } },
    components: [{ name: 'model', required: true, files }],
  };
  writeFileSync(join(place, 'zarf.yaml'), JSON.stringify(text));
  const previous = (): string => {
    const other = join(folder, `zarf-${since}`);
    return join(other, readdirSync(other).find((each) => each.endsWith('.tar.zst')) ?? '');
  };
  const measured = await measure(
    program,
    [
      ...['package', 'create', place, '--output', place, '--confirm', '--skip-sbom'],
      ...['--no-progress', '--tmpdir', place, '--zarf-cache', join(folder, 'zarf-cache')],
      ...(since === undefined ? [] : ['--differential', previous()]),
    ],
    { HOME: place },
  );
  const made = readdirSync(place).filter((each) => each.startsWith('zarf-package-'));
  const bytes = made.reduce((sum, each) => sum + statSync(join(place, each)).size, 0);
  return { bytes, measured };
}
