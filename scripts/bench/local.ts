import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeLargeModel } from '../../test/lab/large-model.ts';
import type { BenchContext, Row } from './benchmark.ts';
import { type Measured, measure, measureStowage } from './measure.ts';

export const name = 'local';
export const about =
  'a model in a local folder, locked and packed once, each beside cp and sync of the same bytes';

/** Takes twice as much on the disk: the model is a hole. */
const DEFAULT_BYTES: number = 20 * 1024 ** 3;

export async function run({ folder, size = DEFAULT_BYTES, say }: BenchContext): Promise<Row[]> {
  say('making a model');
  const model = join(folder, 'my-model');
  mkdirSync(model);
  writeLargeModel(join(model, 'model.safetensors'), size, { sparse: true });
  writeFileSync(join(model, 'config.json'), '{"model_type":"llama"}\n');
  const manifest = join(folder, 'stowage.yaml');
  const models = [{ name: 'large', source: './my-model' }];
  const text = { apiVersion: 'stowage/v1', name: 'bench', version: '1.0.0', models };
  writeFileSync(manifest, JSON.stringify(text));
  const [store, bundle, plain] = [join(folder, 'store'), join(folder, 'out'), join(folder, 'copy')];
  const copy = async (): Promise<Measured> => {
    const options = ['--recursive', '--sparse=never', '--reflink=never'];
    const script = 'cp "$@" && sync "$0"/*';
    const measured = await measure('sh', ['-c', script, plain, ...options, model, plain]);
    rmSync(plain, { recursive: true });
    return measured;
  };
  say('cp and sync');
  const first = await copy();
  say('lock');
  const lock = await measureStowage(['lock', manifest, '--store', store]);
  say('pack');
  const packing = ['pack', manifest, '--store', store, '--no-installer', '--output', bundle];
  const pack = await measureStowage(packing);
  rmSync(bundle, { recursive: true });
  rmSync(store, { recursive: true });
  say('cp and sync again');
  const second = await copy();
  const rate = ({ seconds }: Measured): number => size / 1e6 / seconds;
  const figure = (rate(first) + rate(second)) / 2;
  const limit = { what: 'cp to disk, synced', figure };
  const row = (what: string, measured: Measured): Row => {
    const own = rate(measured);
    return { what, figure: own, unit: 'MB/s', limit, ratio: own / figure };
  };
  return [
    row('lock of a local folder, each byte read and copied once', lock),
    { ...row('pack of it', pack), goal: 'as in create' },
    { what: 'lock, resident', figure: lock.peakMib, unit: 'MiB', goal: 'under 256' },
    { what: 'pack, resident', figure: pack.peakMib, unit: 'MiB', goal: 'under 256' },
  ];
}
