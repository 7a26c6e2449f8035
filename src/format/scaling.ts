import * as z from 'zod';
import { counted } from '../core/amount.ts';
import { fieldsOf, listOf } from '../core/fields.ts';
import { type Nodes, nodesShape, type ProgramShape } from './nodes.ts';

/** What a cluster can give a service and one host cannot. */
export interface Scaling {
  /** The number of pods that run this service; one if absent. */
  readonly replicas?: number;
  /** How many replicas may be unavailable at once while nodes are drained. */
  readonly disruption?: number;
  /** Labels of nodes over whose values the replicas are spread evenly, such as `kubernetes.io/hostname`. */
  readonly spread?: readonly string[];
  /** What each replica reserves on its node, where the service has no limit. */
  readonly requests?: {
    /** Processors; without it and without `cpus`, a tenth of one. */
    readonly cpus?: number;
    /** Bytes. */
    readonly memory?: number;
  };
  /** Absent for a service whose server runs on one node. */
  readonly nodes?: Nodes;
}

/** The names of {@link Scaling} that hosts ignore: they run one container. */
export const ignoredByHosts = ['replicas', 'disruption', 'spread', 'requests'] as const;

/** The names of {@link Scaling}, which version 1 of bundles does not have. */
const scalingFields = [...ignoredByHosts, 'nodes'] as const;

const label = z
  .string()
  .max(317)
  .regex(
    /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/,
    'expected a label of nodes such as kubernetes.io/hostname',
  );

/** The schemas of {@link Scaling}. Each field is optional. @param size of an amount of memory */
export function scalingShape(
  size: z.ZodType<number>,
  program: ProgramShape,
): {
  [K in keyof Scaling]-?: z.ZodType<NonNullable<Scaling[K]>>;
} {
  return {
    nodes: nodesShape(program),
    replicas: z.int().min(1).max(1000),
    disruption: z.int().min(1).max(999),
    spread: z.array(label).min(1).max(4),
    requests: z.strictObject({
      cpus: z.number().positive().max(4096).exactOptional(),
      memory: size.exactOptional(),
    }),
  };
}

/** Contradictions in the {@link Scaling} of a service, whose fields may have any type. */
export function scalingDefects(
  service: Readonly<Record<string, unknown>>,
): { readonly path: string[]; readonly message: string }[] {
  const { replicas = 1, disruption, spread, cpus } = service;
  const defects: { path: string[]; message: string }[] = [];
  const several = typeof replicas !== 'number' || replicas > 1;
  if (spread !== undefined && !several)
    defects.push({ path: ['spread'], message: 'only a service with several replicas is spread' });
  if (Array.isArray(spread) && new Set(spread).size !== spread.length)
    defects.push({ path: ['spread'], message: 'the same label is listed twice' });
  if (typeof disruption === 'number' && typeof replicas === 'number' && disruption >= replicas)
    defects.push({
      path: ['disruption'],
      message: `expected fewer than the ${replicas === 1 ? 'one replica' : counted(replicas, 'replica')}, so that one always answers`,
    });
  const requests = fieldsOf(service['requests']);
  if (requests['memory'] !== undefined && service['memory'] !== undefined)
    defects.push({
      path: ['requests', 'memory'],
      message: 'a service with a memory limit reserves all of it: remove one of them',
    });
  if (Number(requests['cpus']) > Number(cpus))
    defects.push({ path: ['requests', 'cpus'], message: `expected at most cpus, ${cpus}` });
  return defects;
}

/** A service without its {@link Scaling}, for one container of it. */
export function withoutScaling<S extends Scaling>(service: S): Omit<S, keyof Scaling> {
  const { replicas, disruption, spread, requests, nodes, ...one } = service;
  return one;
}

/** The first version of bundles that has every field of these services, which may have any type. */
export function scalingVersion(services: unknown): 1 | 2 {
  const used = listOf(services).some((each) => scalingFields.some((name) => name in each));
  return used ? 2 : 1;
}
