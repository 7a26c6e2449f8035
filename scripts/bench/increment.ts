import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MIB } from '../../src/core/limits.ts';
import { writeLargeModel } from '../../test/lab/large-model.ts';
import { run as runTool } from '../../test/lab/process.ts';
import type { BenchContext, Row } from './benchmark.ts';
import { type Measured, measure, measureStowage, project } from './measure.ts';
import { importArguments, makeAuthority } from './media/authority.ts';

export const name = 'increment';
export const about =
  'a release with one of 100 files changed, for a site that has the one before: what travels, packing and importing it, beside a whole bundle';

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
  return [
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
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .reduce((sum, { parentPath, name: file }) => sum + statSync(join(parentPath, file)).size, 0);
}
