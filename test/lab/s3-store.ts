import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type GoProgram, goProgram, hasGoProgram } from './go-program.ts';
import { end, START_SECONDS, start, until } from './process.ts';
import { freePort } from './registry.ts';

const SEAWEED: GoProgram = {
  name: 'weed',
  module: 'github.com/seaweedfs/seaweedfs',
  version: 'v0.0.0-20261109003541-7506e5f91cd6',
  sum: 'h1:LOYZFToHq9F7pSR6lkPGfkM8RmHlVFrzndKdhmNZjrU=',
  package: './weed',
};

/** Whether SeaweedFS is built or can be. */
export const hasS3Store = (): Promise<boolean> => hasGoProgram(SEAWEED);

export interface S3Store {
  readonly url: string;
  /** The variables of AWS's clients, for an account that may do everything. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Starts SeaweedFS with its S3 gateway on loopback, which accepts the signatures of one account only. */
export async function startS3Store(folder: string): Promise<S3Store> {
  const program = await goProgram(SEAWEED);
  const data = join(folder, 'data');
  mkdirSync(data, { recursive: true });
  const account = { accessKey: 'labaccount', secretKey: 'lab/secret+key' };
  const identity = { name: 'lab', credentials: [account], actions: ['Admin'] };
  const config = join(folder, 's3.json');
  writeFileSync(config, JSON.stringify({ identities: [identity] }), { mode: 0o600 });
  const ports: number[] = [];
  for (let each = 0; each < 8; each++) ports.push(await freePort());
  const [s3, master, masterGrpc, volume, volumeGrpc, filer, filerGrpc, s3Grpc] = ports;
  const logFile = join(folder, 'weed.log');
  const log = openSync(logFile, 'a');
  // The kernel ends it with its parent, however that ends.
  const child = await start(
    'setpriv',
    [
      ...['--pdeathsig=KILL', program, 'server', '-ip=127.0.0.1', '-ip.bind=127.0.0.1'],
      ...[`-dir=${data}`, '-volume.max=20', '-master.volumeSizeLimitMB=256', '-s3', '-filer'],
      ...[`-master.port=${master}`, `-master.port.grpc=${masterGrpc}`],
      ...[`-volume.port=${volume}`, `-volume.port.grpc=${volumeGrpc}`],
      ...[`-filer.port=${filer}`, `-filer.port.grpc=${filerGrpc}`],
      ...[`-s3.port=${s3}`, `-s3.port.grpc=${s3Grpc}`, `-s3.config=${config}`],
    ],
    { stdio: ['ignore', log, log], env: { PATH: process.env['PATH'], HOME: folder } },
  ).finally(() => closeSync(log));
  const url = `http://127.0.0.1:${s3}`;
  const ready = async (): Promise<true | undefined> => {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    const response = await fetch(`${url}/status`).catch(() => undefined);
    await response?.body?.cancel();
    return response?.ok === true || undefined;
  };
  try {
    await until('the start of SeaweedFS', START_SECONDS, ready);
  } catch (error) {
    await end(child, 'SIGKILL');
    throw new Error(`no S3 store: ${readFileSync(logFile, 'utf8')}`, { cause: error });
  }
  const env = {
    ...{ AWS_ENDPOINT_URL: url, AWS_REGION: 'us-east-1' },
    ...{ AWS_ACCESS_KEY_ID: account.accessKey, AWS_SECRET_ACCESS_KEY: account.secretKey },
    ...{ AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' },
  };
  return { url, env, stop: () => end(child, 'SIGKILL') };
}

if (import.meta.main) console.log(await goProgram(SEAWEED));
