import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startHub } from '../../test/lab/hub.ts';
import { writeLargeModel } from '../../test/lab/large-model.ts';
import type { BenchContext, Row } from './benchmark.ts';
import { inTurns, type Measured, measure, measureStowage } from './measure.ts';

export const name = 'create';
export const about =
  'lock and pack with an empty and with a full store, beside curl, cp and sha512sum, and Hauler if HAULER names its program';

const DEFAULT_BYTES: number = 2 * 1024 ** 3;
const TIMES = 3;
const NOT_RUN: Measured = { seconds: 0, cpuSeconds: 0, peakMib: 0 };

export async function run({ folder, size = DEFAULT_BYTES, say }: BenchContext): Promise<Row[]> {
  say('making a model');
  const files = join(folder, 'model');
  writeLargeModel(join(files, 'model.safetensors'), size);
  const hub = await startHub({
    repos: [{ name: 'acme/large', revisions: { main: files } }],
    redirect: true,
  });
  const manifest = join(folder, 'stowage.yaml');
  const models = [{ name: 'large', source: 'hf://acme/large@main' }];
  const text = { apiVersion: 'stowage/v1', name: 'bench', version: '1.0.0', models };
  writeFileSync(manifest, JSON.stringify(text));
  const env = { HF_ENDPOINT: hub.url };
  const [store, bundle, plain] = ['store', 'bundle', 'plain'].map((each) => join(folder, each)) as [
    string,
    string,
    string,
  ];
  const create = async (): Promise<Measured> => {
    const lock = await measureStowage(['lock', manifest, '--store', store], env);
    const packing = ['pack', manifest, '--store', store, '--no-installer', '--output', bundle];
    const pack = await measureStowage(packing, env);
    rmSync(bundle, { recursive: true });
    return {
      seconds: lock.seconds + pack.seconds,
      cpuSeconds: lock.cpuSeconds + pack.cpuSeconds,
      peakMib: Math.max(lock.peakMib, pack.peakMib),
    };
  };
  try {
    const urls = readdirSync(files).map((each) => `${hub.url}/acme/large/resolve/main/${each}`);
    const hauler = process.env['HAULER'];
    say('creating and copying in turns');
    const hauling = async (then?: string): Promise<Measured> =>
      hauler === undefined ? NOT_RUN : haul(hauler, join(folder, 'haul'), urls, then);
    const { cold, warm, copied, hauled, hashed } = await inTurns(TIMES, {
      hauled: () => hauling(),
      // A bundle needs SHA-512 of its content as well, which an officer checks with a tool of his own.
      hashed: () => hauling('sha512sum store/blobs/sha256/*'),
      cold: () => {
        rmSync(store, { recursive: true, force: true });
        return create();
      },
      warm: create,
      copied: async () => {
        const steps = [
          'mkdir "$0" "$0/store"',
          'cd "$0/store"',
          'curl -sfL --remote-name-all "$@"',
          'sync -- *',
          'cp -r "$0/store" "$0/bundle"',
          'cd "$0/bundle"',
          'sync -- *',
          'sha512sum -- * > "$0/SHA512SUMS"',
        ];
        const measured = await measure('sh', ['-c', steps.join(' && '), plain, ...urls]);
        rmSync(plain, { recursive: true });
        return measured;
      },
    });
    const what = 'curl, cp and sha512sum, synced';
    const beside = (of: string, figure: number, limit: number, peer = what): Row => {
      const ratio = figure / limit;
      return { what: of, figure, unit: 's', limit: { what: peer, figure: limit }, ratio };
    };
    const haulers = [
      ['hauler store add, save', hauled],
      ['hauler store add, save, and sha512sum of its store', hashed],
    ] as const;
    return [
      beside('lock and pack, empty store', cold.seconds, copied.seconds),
      beside('lock and pack, empty store, CPU', cold.cpuSeconds, copied.cpuSeconds),
      beside('lock and pack, full store', warm.seconds, copied.seconds),
      beside('lock and pack, full store, CPU', warm.cpuSeconds, copied.cpuSeconds),
      ...haulers
        .filter(() => hauler !== undefined)
        .flatMap(([peer, { seconds, cpuSeconds }]) => [
          beside('lock and pack, empty store', cold.seconds, seconds, peer),
          beside('lock and pack, empty store, CPU', cold.cpuSeconds, cpuSeconds, peer),
        ]),
      { what: 'resident', figure: cold.peakMib, unit: 'MiB', goal: 'under 256' },
    ];
  } finally {
    await hub.stop();
  }
}

/** The archive that Hauler makes of the same files. */
async function haul(
  program: string,
  place: string,
  urls: readonly string[],
  then = 'true',
): Promise<Measured> {
  const steps = [
    'mkdir "$1"',
    'cd "$1"',
    'for each in "$@"; do case "$each" in http*) "$0" store add file "$each" --store store;; esac; done',
    '"$0" store save --store store --filename haul.tar.zst',
    'sync -- haul.tar.zst',
    then,
  ];
  const script = `{ ${steps.join(' && ')}; } >/dev/null 2>&1`;
  const measured = await measure('sh', ['-c', script, program, place, ...urls], { HOME: place });
  rmSync(place, { recursive: true });
  return measured;
}
