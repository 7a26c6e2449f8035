import type { z } from 'zod';

/** A type without `readonly`, intersections written out, so that two ways to write one type are the same. */
type Plain<T> = unknown extends T
  ? T
  : T extends string | number | boolean | null | undefined
    ? T
    : T extends readonly (infer E)[]
      ? Plain<E>[]
      : { -readonly [K in keyof T]: Plain<T[K]> };

/** Whether two types are the same, down to which members are optional. */
type Same<A, B> =
  (<G>() => G extends Plain<A> ? 1 : 2) extends <G>() => G extends Plain<B> ? 1 : 2 ? true : false;

/**
 * The schema itself, as a schema of the type that the context names. Does not compile unless what the schema gives is
 * exactly that type: a member that one of them lacks, or that is optional in one alone, is a type error. `readonly` makes
 * no difference.
 *
 *     const schema: z.ZodType<Step> = exact(z.strictObject({ ... }));
 */
export function exact<T, S extends z.ZodType>(
  schema: Same<T, z.output<S>> extends true ? S : 'the schema and the type differ',
): z.ZodType<T> {
  return schema as unknown as z.ZodType<T>;
}
