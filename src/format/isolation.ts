import * as z from 'zod';
import { listOf } from '../core/json.ts';
import { type Egress, egress } from './egress.ts';
import * as field from './field.ts';
import { forEditors } from './for-editors.ts';

/** Limits of each process of a service, soft and hard alike. Absent members are the engine's. */
export interface Ulimits {
  /** Bytes that stay in memory, as RDMA and `--mlock` of llama-server need. */
  readonly memlock?: number | 'unlimited';
  /** Open files and connections. */
  readonly nofile?: number;
  /** Bytes of the stack of each thread. */
  readonly stack?: number | 'unlimited';
}

/** What a service shares with its host beyond the defaults, and which limits its processes have. */
export interface Isolation {
  readonly ulimits?: Ulimits;
  /** `host` shares the shared memory of the host, which then has no limit of its own. */
  readonly ipc?: 'private' | 'host';
}

/** {@link Isolation} as a manifest has it. */
export interface ServiceIsolation extends Isolation {
  /** Where it may open connections to, besides its peers: nowhere if absent. */
  readonly egress?: readonly Egress[];
}

/** The names of {@link ServiceIsolation}, which versions before 3 of bundles do not have. */
export const isolationFields = ['ulimits', 'ipc', 'egress'] as const;

/** The schema of `egress` of a service. */
export const serviceEgress: z.ZodType<readonly Egress[]> = field.exact(
  z.array(egress).min(1).max(64),
);

/** The schemas of {@link Isolation}. Each field is optional. @param size of an amount of memory */
export function isolationShape(size: z.ZodType<number>): {
  [K in keyof Isolation]-?: z.ZodType<NonNullable<Isolation[K]>>;
} {
  const bytes = z.union([z.literal('unlimited'), size]);
  return {
    ulimits: forEditors(
      z
        .strictObject({
          memlock: bytes.exactOptional(),
          nofile: z.int().min(16).max(1_048_576).exactOptional(),
          stack: bytes.exactOptional(),
        })
        .refine((limits) => Object.keys(limits).length > 0, 'expected memlock, nofile or stack'),
      { minProperties: 1 },
    ),
    ipc: z.enum(['private', 'host']),
  };
}

/** The limits as engines take them: the name, and a number or -1 for none. */
export function ulimitValues({ ulimits = {} }: Isolation): [string, number][] {
  return Object.entries(ulimits)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => [name, value === 'unlimited' ? -1 : value]);
}

/** Whether services, which may have any type, have a field of {@link Isolation}. */
export function usesIsolation(services: unknown): boolean {
  return listOf(services).some((each) => isolationFields.some((name) => name in each));
}
