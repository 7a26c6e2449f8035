import * as z from 'zod';
import * as field from './field.ts';

/** The location of a secret's value; one line feed at its end is removed. */
export type SecretReference = { readonly file: string } | { readonly env: string };

export const secretReference: z.ZodType<SecretReference> = field.exact(
  z.union([
    z.strictObject({
      file: field.line(4096).refine((path) => path.startsWith('/'), 'expected an absolute path'),
    }),
    z.strictObject({
      env: z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'expected the name of a variable such as API_KEY'),
    }),
  ]),
);
