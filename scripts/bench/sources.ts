import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { goTools } from '../../test/clients/go-tools.ts';
import { pythonClient } from '../../test/clients/python.ts';
import { writeLargeModel } from '../../test/lab/large-model.ts';
import { run as runTool } from '../../test/lab/process.ts';
import { startRegistry } from '../../test/lab/registry.ts';
import { startS3Store } from '../../test/lab/s3-store.ts';
import type { BenchContext, Row } from './benchmark.ts';
import { inTurns, type Measured, measure, measureStowage } from './measure.ts';

export const name = 'sources';
export const about =
  'a model from a registry beside oras pull, and one from an S3 store beside the client of AWS, to disk';

const DEFAULT_BYTES: number = 1024 ** 3;
const TIMES = 3;
const FILE = 'model.safetensors';

export async function run(context: BenchContext): Promise<readonly Row[]> {
  const size = context.size ?? DEFAULT_BYTES;
  context.say('making a model');
  mkdirSync(join(context.folder, 'model'));
  writeLargeModel(join(context.folder, 'model', FILE), size);
  return [...(await registry(context, size)), ...(await s3(context, size))];
}

async function registry({ folder, say }: BenchContext, size: number): Promise<Row[]> {
  const oras = join(await goTools(), 'oras');
  const server = await startRegistry(join(folder, 'registry'));
  try {
    const reference = `${server.host}/bench/model:1`;
    const push = ['push', '--plain-http', '--artifact-type', 'application/vnd.example.model'];
    const file = `${FILE}:application/vnd.example.weights`;
    await runTool(oras, [...push, reference, file], { cwd: join(folder, 'model') });
    const out = join(folder, 'oras');
    const theirs = async (then = ''): Promise<Measured> => {
      const script = `"$0" pull --plain-http --output "$1" "$2" && sync "$1"/*${then}`;
      const measured = await measure('sh', ['-c', script, oras, out, reference]);
      rmSync(out, { recursive: true });
      return measured;
    };
    const pulled = { folder, source: `oci://${reference}`, env: {}, size, say };
    // A bundle needs SHA-512 as well, which our side computes meanwhile.
    const hashed = { what: 'oras pull, then sha512sum', run: () => theirs(' && sha512sum "$1"/*') };
    return await compare('a model from a registry', 'oras pull', { ...pulled, hashed }, theirs);
  } finally {
    await server.stop();
    rmSync(join(folder, 'registry'), { recursive: true });
  }
}

async function s3({ folder, say }: BenchContext, size: number): Promise<Row[]> {
  const aws = (await pythonClient('awscli-1.46.3')).program('aws');
  mkdirSync(join(folder, 's3'));
  const store = await startS3Store(join(folder, 's3'));
  try {
    const env = { ...store.env, HOME: folder };
    await runTool(aws, ['s3', 'mb', 's3://bench'], { env: { ...process.env, ...env } });
    const copy = ['s3', 'cp', '--only-show-errors', '--recursive'];
    const from = join(folder, 'model');
    await runTool(aws, [...copy, from, 's3://bench/chat/'], { env: { ...process.env, ...env } });
    const out = join(folder, 'aws');
    const theirs = async (): Promise<Measured> => {
      const script = '"$0" "$@" && sync "$AWS_OUT"/*';
      const args = ['-c', script, aws, ...copy, 's3://bench/chat/', out];
      const measured = await measure('sh', args, { ...env, AWS_OUT: out });
      rmSync(out, { recursive: true });
      return measured;
    };
    const pulled = { folder, source: 's3://bench/chat', env: store.env, size, say };
    return await compare('a model from an S3 store', 'aws s3 cp', pulled, theirs);
  } finally {
    await store.stop();
  }
}

interface Pulled {
  readonly folder: string;
  readonly source: string;
  readonly env: NodeJS.ProcessEnv;
  readonly size: number;
  /** What another client needs for the same work. */
  readonly hashed?: { readonly what: string; run(): Promise<Measured> };
  say(text: string): void;
}

/** Our side downloads, hashes and syncs; theirs is synced too. */
async function compare(
  what: string,
  client: string,
  { folder, source, env, size, hashed, say }: Pulled,
  theirs: () => Promise<Measured>,
): Promise<Row[]> {
  const store = join(folder, 'store');
  const manifest = join(folder, 'stowage.yaml');
  const models = [{ name: 'large', source }];
  const text = { apiVersion: 'stowage/v1', name: 'bench', version: '1.0.0', models };
  writeFileSync(manifest, JSON.stringify(text));
  rmSync(join(folder, 'stowage.lock.json'), { force: true });
  await measureStowage(['lock', manifest, '--store', store], env);
  say(`${what}: pulling and ${client} in turns`);
  const fetched = await inTurns<string>(TIMES, {
    theirs: () => theirs(),
    ...(hashed && { hashed: hashed.run }),
    pull: async (): Promise<Measured> => {
      rmSync(store, { recursive: true, force: true });
      const measured = await measureStowage(['store', 'pull', manifest, '--store', store], env);
      rmSync(store, { recursive: true });
      return measured;
    },
  });
  const { pull, theirs: other, hashed: same } = fetched;
  if (pull === undefined || other === undefined) throw new Error('nothing was measured');
  const rate = ({ seconds }: Measured): number => size / 1e6 / seconds;
  const beside = (client: string, figure: number): Row => {
    const limit = { what: client, figure };
    return { what, figure: rate(pull), unit: 'MB/s', limit, ratio: rate(pull) / figure };
  };
  const processor: Row = { what: `${what}, processor`, figure: pull.cpuSeconds, unit: 's' };
  const work = (client: string, { cpuSeconds: figure }: Measured): Partial<Row> => {
    return { limit: { what: client, figure }, ratio: figure / pull.cpuSeconds };
  };
  return [
    { ...beside(`${client} to disk, synced`, rate(other)), goal: 'at least 0.8' },
    ...(hashed && same ? [beside(hashed.what, rate(same))] : []),
    // The least that the same work takes, which two programs do one after the other.
    { ...processor, ...(hashed && same && work(hashed.what, same)) },
    { what: `${client}, processor`, figure: other.cpuSeconds, unit: 's' },
    { what: `${what}, resident`, figure: pull.peakMib, unit: 'MiB', goal: 'under 256' },
  ];
}
