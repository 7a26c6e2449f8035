import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startHub } from '../../test/lab/hub.ts';
import { writeLargeModel } from '../../test/lab/large-model.ts';
import type { BenchContext, Row } from './benchmark.ts';
import { inTurns, type Measured, measure, measureStowage } from './measure.ts';
import { importArguments, makeAuthority } from './media/authority.ts';

export const name = 'media';
export const about = 'verify, stage, stream and pack, beside openssl, sha512sum, and cp + sync';

const DEFAULT_BYTES: number = 4 * 1024 ** 3;
const TIMES = 3;

export async function run({ folder, size = DEFAULT_BYTES, say }: BenchContext): Promise<Row[]> {
  say('making a bundle');
  const authority = await makeAuthority(folder);
  const { root, key, certificate } = authority;
  const [store, bundle, copy] = ['store', 'bundle', 'copy'].map((each) => join(folder, each)) as [
    string,
    string,
    string,
  ];
  const manifest = await pulled(folder, size, store);
  const packing = ['pack', manifest, '--store', store, '--no-installer', '--output'];
  await measureStowage([...packing, bundle]);
  await measureStowage(['sign', bundle, '--key', key, '--certificate', certificate]);
  const places = join(bundle, 'blobs/sha256');
  const parts = readdirSync(places).map((each) => join(places, each));
  const site = join(folder, 'site');
  const away = async (path: string, measured: Promise<Measured>): Promise<Measured> => {
    const result = await measured;
    rmSync(path, { recursive: true });
    return result;
  };
  const script = (text: string, ...args: readonly string[]): Promise<Measured> =>
    measure('sh', ['-c', `set -e; ${text}`, ...args]);
  say('verifying and hashing in turns');
  const read = await inTurns(TIMES, {
    openssl: () => measure('openssl', ['dgst', '-sha512', ...parts]),
    sha512sum: () => script('cd "$0" && sha512sum --quiet -c SHA512SUMS', bundle),
    verify: () => measureStowage(['verify', bundle, '--trust', root]),
  });
  const tape = join(folder, 'tape');
  say('staging, packing and copying in turns');
  const piped = importArguments('-', site, authority)
    .map((each) => `'${each}'`)
    .join(' ');
  const stowage = `"$0" "$1"`;
  const [node, program] = [process.execPath, join(import.meta.dirname, '../../dist/main.js')];
  const written = await inTurns(TIMES, {
    // Of the blobs that pack copies too: both read what they find in the page cache.
    copy: () => away(copy, script('cp -r "$0" "$1" && sync -f "$1"', join(store, 'blobs'), copy)),
    stage: () => away(site, measureStowage(importArguments(bundle, site, authority))),
    pack: () => away(copy, measureStowage([...packing, copy])),
    stream: () =>
      away(site, script(`${stowage} stream "$2" | ${stowage} ${piped}`, node, program, bundle)),
    record: () => script(`${stowage} stream "$2" > "$3"`, node, program, bundle, tape),
    replay: () => away(site, script(`${stowage} ${piped} < "$2"`, node, program, tape)),
    pipe: () => script('cat "$0" | cat > /dev/null', tape),
    piped: () => away(site, script(`cat "$2" | ${stowage} ${piped}`, node, program, tape)),
  });
  const rate = ({ seconds }: Measured): number => size / 1e6 / seconds;
  const beside = (what: string, figure: Measured, limitName: string, limit: Measured): Row => ({
    ...{ what, figure: rate(figure), unit: 'MB/s' },
    limit: { what: limitName, figure: rate(limit) },
    ratio: rate(figure) / rate(limit),
  });
  const slower = read.openssl.seconds > written.copy.seconds ? read.openssl : written.copy;
  const slowerName = slower === written.copy ? 'cp + sync' : 'openssl dgst -sha512';
  const carrier =
    written.pipe.seconds > written.stage.seconds
      ? { name: 'cat FILE | cat', measured: written.pipe }
      : { name: 'stage', measured: written.stage };
  const resident = (what: string, { peakMib }: Measured): Row => ({
    ...{ what: `${what}, resident`, figure: peakMib, unit: 'MiB', goal: 'under 256' },
  });
  return [
    {
      ...beside('verify', read.verify, 'openssl dgst -sha512', read.openssl),
      goal: 'at least 1.7',
    },
    beside('verify', read.verify, 'sha512sum -c', read.sha512sum),
    { ...beside('stage', written.stage, slowerName, slower), goal: 'at least 0.9' },
    { ...beside('pack', written.pack, 'cp + sync', written.copy), goal: 'at least 0.9' },
    {
      ...beside('import - < FILE, a recorded stream', written.replay, 'stage', written.stage),
      goal: 'at least 0.8',
    },
    // A pipe holds 64 KiB, and can be slower than the rest: its two ends wake each other.
    {
      ...beside('cat FILE | import -', written.piped, carrier.name, carrier.measured),
      goal: 'at least 0.8',
    },
    // One host does the work of two here.
    {
      ...beside('stream into import -', written.stream, carrier.name, carrier.measured),
      goal: 'at least 0.8',
    },
    beside('stream into import -', written.stream, 'stage', written.stage),
    beside('stream into a file', written.record, slowerName, slower),
    ...[resident('verify', read.verify), resident('stage', written.stage)],
    resident('pack', written.pack),
  ];
}

/** Fills a store as a pull does, notes and all. */
async function pulled(folder: string, size: number, store: string): Promise<string> {
  const content = join(folder, 'content');
  const manifest = join(folder, 'stowage.yaml');
  writeLargeModel(join(content, 'model.safetensors'), size);
  const models = [{ name: 'large', source: 'hf://acme/large@main' }];
  const text = { apiVersion: 'stowage/v1', name: 'bench', version: '1.0.0', models };
  writeFileSync(manifest, JSON.stringify(text));
  const hub = await startHub({
    repos: [{ name: 'acme/large', revisions: { main: content } }],
    redirect: true,
  });
  try {
    const env = { HF_ENDPOINT: hub.url };
    await measureStowage(['lock', manifest, '--store', store], env);
    await measureStowage(['store', 'pull', manifest, '--store', store], env);
  } finally {
    await hub.stop();
    rmSync(content, { recursive: true });
  }
  return manifest;
}
