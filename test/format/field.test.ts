import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { exact } from '../../src/format/field.ts';

interface Sample {
  readonly name: string;
  readonly sizes?: readonly number[];
  readonly inner: { readonly kind: 'a' } | { readonly kind: 'b'; readonly note?: string };
}

const name = z.string();
const sizes = z.array(z.number()).exactOptional();
const inner = z.union([
  z.strictObject({ kind: z.literal('a') }),
  z.strictObject({ kind: z.literal('b'), note: z.string().exactOptional() }),
]);

// Each line below that must not compile is an error itself if it does.
const same: z.ZodType<Sample> = exact(z.strictObject({ name, sizes, inner }));
// @ts-expect-error -- the schema lacks an optional member of the type
const lacking: z.ZodType<Sample> = exact(z.strictObject({ name, inner }));
// @ts-expect-error -- the schema has an optional member that the type lacks
const more: z.ZodType<Sample> = exact(z.strictObject({ name, sizes, inner, more: sizes }));
// @ts-expect-error -- a member is optional in the type alone
const required: z.ZodType<Sample> = exact(z.strictObject({ name, sizes: sizes.unwrap(), inner }));
// @ts-expect-error -- a member is optional in the schema alone
const optional: z.ZodType<Sample> = exact(z.strictObject({ name: sizes, sizes, inner }));
const noteless = z.union([
  z.strictObject({ kind: z.literal('a') }),
  z.strictObject({ kind: z.literal('b') }),
]);
// @ts-expect-error -- one branch of a union lacks an optional member
const branch: z.ZodType<Sample> = exact(z.strictObject({ name, sizes, inner: noteless }));
const wide = z.strictObject({ kind: z.string() });
// @ts-expect-error -- a member is wider in the schema
const wider: z.ZodType<Sample> = exact(z.strictObject({ name, sizes, inner: wide }));

describe('when a schema is compared with its type', () => {
  it('is the schema itself', () => {
    const document: Sample = { name: 'x', inner: { kind: 'b' } };
    expect(same.parse(document)).toEqual(document);
    for (const each of [lacking, more, required, optional, branch, wider])
      expect(each).toBeInstanceOf(z.ZodObject);
  });

  it('is done for every schema of a document', () => {
    const folder = new URL('../../src/format/', import.meta.url);
    const loose = readdirSync(folder)
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => {
        const text = readFileSync(new URL(file, folder), 'utf8');
        const found = text.matchAll(
          /(?:: z\.ZodType<(?!string>|number>)[^=]*> =\s+(?!(?:field\.)?exact\()\S+|\bschema: z\s*\.(?!literal|ZodType)\w+)/g,
        );
        return [...found].map(([each]) => `${file}${each}`);
      });
    // What refine narrows to cannot be told from a string.
    expect(loose.filter((each) => !each.startsWith('field.ts'))).toEqual([]);
  });
});
