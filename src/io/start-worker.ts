import { getAsset, isSea } from 'node:sea';
import { type ResourceLimits, Worker } from 'node:worker_threads';

/**
 * Starts a worker whose code is beside a file: TypeScript in a checkout, JavaScript in a build, an asset in the executable.
 * @param name such as `hash-worker`
 * @param beside `import.meta.url` of that file
 * @param limits of its memory, in MiB
 */
export function startWorkerBeside(
  name: string,
  beside: string,
  limits: ResourceLimits = {},
): Worker {
  const options = { resourceLimits: limits };
  if (isSea()) return new Worker(getAsset(`${name}.js`, 'utf8'), { ...options, eval: true });
  const extension = beside.endsWith('.ts') ? 'ts' : 'js';
  return new Worker(new URL(`./${name}.${extension}`, beside), options);
}
