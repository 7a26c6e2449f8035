import * as z from 'zod';
import { fieldsOf, listOf, textsOf } from '../core/json.ts';
import { counted } from '../core/text.ts';
import * as field from './field.ts';

/** A service whose server needs the GPUs or the memory of several nodes: a leader, which clients ask, and its workers. */
export interface Nodes {
  /** The number of nodes, with the leader's. Each runs one pod of the service. */
  readonly count: number;
  /** Ports of the leader that its workers use, such as that of `--master-port`. Each pod reaches all ports of the others by address. */
  readonly ports: readonly number[];
  /** What the workers run with the image of the service: its mounts, secrets, limits and GPUs are theirs too. */
  readonly worker: {
    /** Absent for that of the service. */
    readonly entrypoint?: string;
    readonly args: readonly string[];
    /** In addition to `env` of the service, or instead of its variables of the same name. */
    readonly env?: Readonly<Record<string, string>>;
  };
}

/** The names in `${nodes.NAME}`, in arguments and variables of a service with {@link Nodes}. */
export const nodePlaceholders = ['count', 'rank', 'leader'] as const;
export type NodePlaceholder = (typeof nodePlaceholders)[number];

const PLACEHOLDER = /\$\{nodes\.([^}]*)\}/g;

/** Replaces each `${nodes.NAME}`, and passes the text between them through `other`. */
export function fillNodes(
  text: string,
  values: Readonly<Record<NodePlaceholder, string>>,
  other: (text: string) => string,
): string {
  return text
    .split(PLACEHOLDER)
    .map((part, at) => (at % 2 === 0 ? other(part) : values[part as NodePlaceholder]))
    .join('');
}

/** The schemas of what a worker runs, as those of its service. */
export interface ProgramShape {
  readonly entrypoint: z.ZodType<string>;
  readonly args: z.ZodType<readonly string[]>;
  readonly env: z.ZodType<Readonly<Record<string, string>>>;
}

export function nodesShape({ entrypoint, args, env }: ProgramShape): z.ZodType<Nodes> {
  return field.exact(
    z.strictObject({
      count: z.int().min(2).max(256),
      ports: z.array(field.port).min(1).max(32),
      worker: z.strictObject({
        entrypoint: entrypoint.exactOptional(),
        args,
        env: env.exactOptional(),
      }),
    }),
  );
}

/** What a service with {@link Nodes} runs. */
interface Programs {
  readonly entrypoint?: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly nodes?: Nodes;
}

/** The service as its workers run it; undefined for one whose server runs on one node. */
export function workerOf<T extends Programs>(service: T): T | undefined {
  const worker = service.nodes?.worker;
  return worker && { ...service, ...worker, env: { ...service.env, ...worker.env } };
}

/** The service, and the same as its workers run it. */
export function programsOf<T extends Programs>(service: T): T[] {
  return [service, workerOf(service)].flatMap((each) => each ?? []);
}

/** The arguments and variables of every program of a service, whose fields may have any type, with their paths in it. */
export function programTexts(
  service: Readonly<Record<string, unknown>>,
): { readonly text: unknown; readonly path: (string | number)[] }[] {
  const worker = fieldsOf(fieldsOf(service['nodes'])['worker']);
  const programs = [
    { program: service, at: [] },
    { program: worker, at: ['nodes', 'worker'] },
  ];
  return programs.flatMap(({ program, at }) => [
    ...textsOf(program['args']).map((text, index) => ({ text, path: [...at, 'args', index] })),
    ...Object.entries(fieldsOf(program['env'])).map(([name, text]) => {
      return { text, path: [...at, 'env', name] };
    }),
  ]);
}

/** Contradictions between the {@link Nodes} of a service, whose fields may have any type, and its other fields. */
export function nodesDefects(
  service: Readonly<Record<string, unknown>>,
): { readonly path: (string | number)[]; readonly message: string }[] {
  if (service['nodes'] === undefined) return [];
  const defects: { path: (string | number)[]; message: string }[] = [];
  const { replicas = 1, network = 'bridge' } = service;
  if (typeof replicas === 'number' && replicas > 1)
    defects.push({ path: ['replicas'], message: 'a service that spans several nodes has one' });
  if (network === 'none' || network === 'host')
    defects.push({
      path: ['network'],
      message:
        'expected bridge: the pods of a service that spans several nodes connect to each other',
    });
  const { ports } = fieldsOf(service['nodes']);
  if (Array.isArray(ports) && new Set(ports).size !== ports.length)
    defects.push({ path: ['nodes', 'ports'], message: 'the same port is listed twice' });
  for (const { text, path } of programTexts(service))
    for (const [, name = ''] of String(text).matchAll(PLACEHOLDER))
      if (!nodePlaceholders.some((each) => each === name))
        defects.push({
          path,
          message: `expected \${nodes.${nodePlaceholders.join('}, ${nodes.')}}, not \${nodes.${name}}`,
        });
  return defects;
}

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
