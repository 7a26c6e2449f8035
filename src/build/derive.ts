import { GIB } from '../core/limits.ts';
import { formatBytes } from '../core/text.ts';
import type { DerivedSetting } from '../format/derived.ts';
import type { LockedModel } from '../format/locked-content.ts';
import type { Manifest } from '../format/manifest.ts';
import { programsOf } from '../format/placement.ts';
import type { Service } from '../format/service.ts';

/** Servers whose worker processes exchange tensors through `/dev/shm`, for which the 64 MB of engines are too little. */
const SHARING = ['vllm', 'sglang'];
const PARALLEL = ['--tensor-parallel-size', '-tp', '--tp', '--tp-size'];
const MAX_WORKERS = 64;
/** What a slow disk or a network file system reads at least, bytes a second. */
const SLOW_BYTES = 50_000_000;
/** The longest `startupSeconds`. */
const MAX_STARTUP = 86_400;

/** What follows from the manifest alone. */
export function deriveOffline({ services }: Pick<Manifest, 'services'>): DerivedSetting[] {
  return services.flatMap(sharedMemory);
}

/**
 * How long each service may load without progress, by the size of its models, where the manifest does not say it.
 * @param unstated the services without `startupSeconds`
 */
export function deriveStartup(
  { services }: Pick<Manifest, 'services'>,
  models: readonly Pick<LockedModel, 'name' | 'files'>[],
  unstated: ReadonlySet<string>,
): DerivedSetting[] {
  return services
    .filter(({ name }) => unstated.has(name))
    .flatMap((service): DerivedSetting[] => {
      const used = new Set([
        ...service.mounts.flatMap((each) => ('model' in each ? [each.model] : [])),
        ...service.adapters.map(({ model }) => model),
      ]);
      const bytes = models
        .filter(({ name }) => used.has(name))
        .flatMap(({ files }) => files)
        .reduce((sum, { size }) => sum + size, 0);
      const value = Math.min(MAX_STARTUP, Math.ceil(bytes / SLOW_BYTES));
      if (service.health === undefined || value <= service.health.startupSeconds) return [];
      const reason = `${formatBytes(bytes)} of models, at ${formatBytes(SLOW_BYTES)} a second`;
      return [{ service: service.name, field: 'startupSeconds', value, reason }];
    });
}

/**
 * The services whose arguments name another port than the manifest says: nothing would answer there. Of servers of models, which
 * have `--port` in common, the last one counts.
 * @returns a sentence for each
 */
export function portDoubts({ services }: Pick<Manifest, 'services'>): string[] {
  return services.flatMap(({ name, args, ports, health }) => {
    if (health === undefined || ['http', 'command'].includes(health.server)) return [];
    const words = args.flatMap((each) => (each.startsWith('--port=') ? each.split('=') : [each]));
    const port = words.findLast((_, index) => words[index - 1] === '--port') ?? '';
    const isKnown = ports.some(({ container }) => String(container) === port);
    if (isKnown || ports.length === 0 || !/^[1-9][0-9]*$/.test(port)) return [];
    const named = ports.map((each) => `${each.container} (${each.name})`).join(', ');
    return [
      `service ${name}: its arguments say --port ${port}, and its ports in the container are ${named}`,
    ];
  });
}

function sharedMemory(service: Service): DerivedSetting[] {
  const { name, health, ipc } = service;
  if (health === undefined || !SHARING.includes(health.server)) return [];
  const mounted = service.mounts.some(({ path }) => path === '/dev/shm');
  if (service.sharedMemory !== undefined || ipc === 'host' || mounted) return [];
  const workers = parallelOf(service);
  const reason = `processes of ${health.server} exchange tensors through /dev/shm${workers > 1 ? `, ${workers} of them in parallel` : ''}`;
  return [{ service: name, field: 'sharedMemory', value: workers * GIB, reason }];
}

/** How many processes share the tensors, as far as the arguments tell; the number of GPUs otherwise. */
function parallelOf(service: Service): number {
  const words = programsOf(service)
    .flatMap(({ args }) => args)
    .flatMap((text) => text.split('='));
  const at = words.findIndex((each) => PARALLEL.includes(each));
  const given = at < 0 ? undefined : Number(words[at + 1]);
  const gpus = typeof service.gpus === 'number' ? service.gpus : 1;
  const workers = given !== undefined && Number.isInteger(given) ? given : gpus;
  return Math.min(MAX_WORKERS, Math.max(1, workers));
}
