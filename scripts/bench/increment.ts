import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { MIB } from '../../src/core/limits.ts';
import { writeLargeModel } from '../../test/lab/large-model.ts';
import { run as runTool } from '../../test/lab/process.ts';
import type { BenchContext, Row } from './benchmark.ts';
import { zarfPackage } from './increment/zarf.ts';
import { type Measured, measure, measureStowage, project } from './measure.ts';
import { importArguments, makeAuthority } from './media/authority.ts';

export const name = 'increment';
export const about =
  'a release with one of 100 files changed, for a site that has the one before: what travels, packing and importing it, beside a whole bundle, and beside zarf package create --differential if ZARF is the path of its program; takes twice --size of disk, with ZARF four times';

const DEFAULT_BYTES: number = 2 * 1024 ** 3;
const FILES = 100;
const CHANGED = 50;

/** Reads files from the disk next, and not from memory. */
const FORGET = 'find "$@" -type f -exec dd if={} iflag=nocache count=0 status=none ";"';
/** What importing an increment cannot do without: writing the bytes that travel, and reading what the site has. */
const LEAST = 'cp -r "$0" "$1" && sync -f "$1" && find "$2" -type f -exec';
const READ = `${LEAST} cat {} + > /dev/null`;
const HASH = `${LEAST} sha256sum {} + > /dev/null`;

export async function run({ folder, size = DEFAULT_BYTES, say }: BenchContext): Promise<Row[]> {
  const at = (name: string): string => join(folder, name);
  const gone = (...names: readonly string[]): void => {
    for (const each of names) rmSync(at(each), { recursive: true });
  };
  const weights = (file: number): string => join(at('model'), `weights-${file}.safetensors`);
  const write = (file: number, seed: number): void =>
    writeLargeModel(weights(file), Math.floor(size / FILES), { seed });
  const zarf = process.env['ZARF'];
  if (zarf === undefined)
    say('NOT MEASURED: zarf package create --differential; ZARF is not the path of its program');

  say('making a model');
  for (let file = 1; file <= FILES; file++) write(file, file);
  if (zarf !== undefined) {
    say('zarf package create');
    await zarfPackage(zarf, folder, '1.0.0');
  }
  const store = ['--store', at('store')];
  const lock = async (version: string): Promise<void> => {
    const models = [{ name: 'large', source: './model', license: { id: 'apache-2.0' } }];
    const text = { apiVersion: 'stowage/v1', name: 'bench', version, models };
    writeFileSync(at('stowage.yaml'), JSON.stringify(text));
    await measureStowage(['lock', at('stowage.yaml'), ...store]);
  };
  const { key, certificate, ...authority } = await makeAuthority(folder);
  const pack = async (output: string, ...more: readonly string[]): Promise<Measured> => {
    const packing = ['pack', at('stowage.yaml'), ...store, '--no-installer'];
    const packed = await measureStowage([...packing, '--output', at(output), ...more]);
    await measureStowage(['sign', at(output), '--key', key, '--certificate', certificate]);
    return packed;
  };
  const forget = (...names: readonly string[]): Promise<Measured> =>
    measure('sh', ['-c', `sync -f "$1" && ${FORGET}`, 'sh', ...names.map(at)]);
  const importInto = async (site: string, bundle: string): Promise<Measured> => {
    await forget(bundle, ...(readdirSync(folder).includes(site) ? [site] : []));
    const trusted = { ...authority, key, certificate };
    return measureStowage(importArguments(at(bundle), at(site), trusted));
  };

  // At most two copies of the bytes are on the disk at once. The store keeps the index of each bundle beside the blobs.
  const downloaded = join('store', 'blobs');
  say('a site imports the first version');
  await lock('1.0.0');
  gone('model');
  await pack('first');
  const first = bytesIn(at('first'));
  gone(downloaded);
  await importInto('site', 'first');
  gone('first');
  const receipt = JSON.parse(
    await runTool(join(project, 'node_modules/.bin/node'), [
      ...[join(project, 'dist/main.js'), 'receipt', 'write', '--root', at('site'), '--json'],
    ]),
  ) as { file: string; fingerprint: string };

  say('the second version, as an increment');
  const blobs = join(at('site'), 'store/blobs/sha256');
  linkModel(at('model'), at('stowage.lock.json'), blobs);
  rmSync(weights(CHANGED));
  write(CHANGED, FILES + 1);
  const theirs = zarf === undefined ? undefined : await zarfPackage(zarf, folder, '1.1.0', '1.0.0');
  await lock('1.1.0');
  gone('model');
  const sought = ['--for', receipt.file, '--fingerprint', receipt.fingerprint];
  const packed = await pack('increment', ...sought);
  const travels = bytesIn(at('increment'));
  const imported = await importInto('site', 'increment');
  const least = async (script: string): Promise<Measured> => {
    await forget('site', 'increment');
    const measured = await measure('sh', ['-c', script, at('increment'), at('copy'), blobs]);
    gone('copy');
    return measured;
  };
  const read = await least(READ);
  const hashed = await least(HASH);
  gone('site', 'increment');
  // What is known already: what follows takes as long again.
  const done = ({ seconds, peakMib }: Measured): string =>
    `${seconds.toFixed(1)} s, ${peakMib.toFixed(0)} MiB`;
  say(`  ${travels} bytes travel, where all of the first version were ${first}`);
  say(`  pack --for: ${done(packed)}; import: ${done(imported)}; one read: ${done(read)}`);

  say('the second version, whole');
  const packedWhole = await pack('whole');
  const whole = bytesIn(at('whole'));
  gone(downloaded);
  const importedWhole = await importInto('site', 'whole');

  const beside = (what: string, figure: number, peer: string, of: number): Row => ({
    ...{ what, figure, unit: 's', limit: { what: peer, figure: of }, ratio: figure / of },
  });
  const travel = (peer: string, bytes: number): Row => ({
    ...{ what: 'travels', figure: travels / MIB, unit: 'MiB', ratio: travels / bytes },
    limit: { what: peer, figure: bytes / MIB },
  });
  const resident = (what: string, { peakMib }: Measured): Row => ({
    ...{ what: `${what}, resident`, figure: peakMib, unit: 'MiB', goal: 'under 256' },
  });
  const rows: Row[] = [
    { ...travel('the whole bundle', whole), goal: 'under 0.013' },
    beside('pack --for', packed.seconds, 'pack', packedWhole.seconds),
    beside('import', imported.seconds, 'import of the whole bundle', importedWhole.seconds),
    beside('import', imported.seconds, 'cp, sync, and one read of the store', read.seconds),
    beside('import', imported.seconds, 'cp, sync, and sha256sum of the store', hashed.seconds),
    resident('pack --for', packed),
    resident('import', imported),
    resident('import of the whole bundle', importedWhole),
  ];
  if (theirs === undefined) return rows;
  const command = 'zarf package create --differential';
  return [
    ...rows,
    travel(command, theirs.bytes),
    beside('pack --for', packed.seconds, command, theirs.measured.seconds),
  ];
}

/** The files of the model of a lock, as hard links to blobs. */
function linkModel(model: string, lock: string, blobs: string): void {
  const { models } = JSON.parse(readFileSync(lock, 'utf8')) as {
    readonly models: readonly { files: readonly { path: string; digest: string }[] }[];
  };
  mkdirSync(model);
  for (const { path, digest } of models[0]?.files ?? [])
    linkSync(join(blobs, digest.replace('sha256:', '')), join(model, path));
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .reduce((sum, { parentPath, name: file }) => sum + statSync(join(parentPath, file)).size, 0);
}
