import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startHub } from '../../test/lab/hub.ts';
import { writeLargeModel } from '../../test/lab/large-model.ts';
import { layeredImage } from '../../test/lab/layered-image.ts';
import { pushLayout, startRegistry } from '../../test/lab/registry.ts';
import type { BenchContext, Row } from './benchmark.ts';
import { inTurns, type Measured, measure, measureStowage } from './measure.ts';

export const name = 'pull';
export const about =
  'one large file from a Hub, and an image of ten layers from a registry, beside curl';

const DEFAULT_BYTES = 1024 ** 3;
const LAYERS = 10;
const TIMES = 3;

export async function run(context: BenchContext): Promise<readonly Row[]> {
  const size = context.size ?? DEFAULT_BYTES;
  return [...(await largeFile(context, size)), ...(await image(context, size))];
}

async function largeFile({ folder, say }: BenchContext, size: number): Promise<Row[]> {
  say('making a model');
  const files = join(folder, 'model');
  writeLargeModel(join(files, 'model.safetensors'), size);
  const hub = await startHub({
    repos: [{ name: 'acme/large', revisions: { main: files } }],
    redirect: true,
  });
  try {
    const models = [{ name: 'large', source: 'hf://acme/large@main' }];
    const manifest = writeManifest(folder, 'file', { models });
    const env = { HF_ENDPOINT: hub.url };
    return await compare('one file from a Hub', { folder, manifest, env, size, say }, [
      `${hub.url}/acme/large/resolve/main/model.safetensors`,
    ]);
  } finally {
    await hub.stop();
    rmSync(files, { recursive: true });
  }
}

async function image({ folder, say }: BenchContext, size: number): Promise<Row[]> {
  say('making an image');
  const layout = join(folder, 'layout');
  const { tag, layers } = layeredImage(layout, LAYERS, Math.floor(size / LAYERS));
  const registry = await startRegistry(join(folder, 'registry'));
  try {
    const source = `${registry.host}/bench/image:1`;
    await pushLayout(layout, tag, source);
    rmSync(layout, { recursive: true });
    const manifest = writeManifest(folder, 'image', { images: [{ name: 'large', source }] });
    const urls = layers.map((digest) => `${registry.url}/v2/bench/image/blobs/${digest}`);
    return await compare(
      `an image of ${LAYERS} layers from a registry`,
      { folder, manifest, env: {}, size, say },
      urls,
    );
  } finally {
    await registry.stop();
  }
}

interface Pulled {
  readonly folder: string;
  readonly manifest: string;
  readonly env: NodeJS.ProcessEnv;
  readonly size: number;
  say(text: string): void;
}

async function compare(
  what: string,
  { folder, manifest, env, size, say }: Pulled,
  urls: readonly string[],
): Promise<Row[]> {
  const store = join(folder, 'store');
  const out = join(folder, 'curl');
  await measureStowage(['lock', manifest, '--store', store], env);
  say(`${what}: pulling and curl in turns`);
  const fetched = await inTurns(TIMES, {
    curl: async () => {
      const script = `mkdir -p "$0" && cd "$0" && curl -sfL --remote-name-all "$@" && sync -- *`;
      const measured = await measure('sh', ['-c', script, out, ...urls]);
      rmSync(out, { recursive: true });
      return measured;
    },
    pull: async (): Promise<Measured> => {
      rmSync(store, { recursive: true, force: true });
      const measured = await measureStowage(['store', 'pull', manifest, '--store', store], env);
      rmSync(store, { recursive: true });
      return measured;
    },
  });
  const rate = ({ seconds }: Measured): number => size / 1e6 / seconds;
  const limit = { what: 'curl to disk, synced', figure: rate(fetched.curl) };
  const figure = rate(fetched.pull);
  return [
    { what, figure, unit: 'MB/s', limit, ratio: figure / limit.figure, goal: 'at least 0.8' },
    { what: `${what}, resident`, figure: fetched.pull.peakMib, unit: 'MiB', goal: 'under 256' },
  ];
}

function writeManifest(folder: string, name: string, content: object): string {
  const path = join(folder, `${name}.yaml`);
  writeFileSync(
    path,
    JSON.stringify({ apiVersion: 'stowage/v1', name, version: '1.0.0', ...content }),
  );
  return path;
}
