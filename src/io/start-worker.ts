import { getAsset, isSea } from 'node:sea';
import { Worker } from 'node:worker_threads';

/**
 * Starts a worker whose code is beside a file: TypeScript in a checkout, JavaScript in a build, an asset in the executable.
 * @param name such as `hash-worker`
 * @param beside `import.meta.url` of that file
 */
export function startWorkerBeside(name: string, beside: string): Worker {
  if (isSea()) return new Worker(getAsset(`${name}.js`, 'utf8'), { eval: true });
  const extension = beside.endsWith('.ts') ? 'ts' : 'js';
  return new Worker(new URL(`./${name}.${extension}`, beside));
}
