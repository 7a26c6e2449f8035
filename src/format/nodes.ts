import * as z from 'zod';
import { fieldsOf, textsOf } from '../core/fields.ts';
import { exact } from './exact.ts';
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
  return exact(
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
