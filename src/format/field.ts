import { validRange, valid as validVersion } from 'semver';
import * as z from 'zod';
import { type Digest, isDigest, isSri, type Sri } from '../core/digest.ts';
import {
  HUB_NAME,
  isHubRepository,
  isImageRepository,
  REGISTRY_HOST,
  REPOSITORY_NAME,
} from '../core/repository-name.ts';
import { isMediaPath, PLAIN_PATH, pathDefect } from '../core/safe-path.ts';
import {
  forEditors,
  momentInUtc,
  partOf,
  relativePath,
  semanticVersion,
  severalLines,
  someText,
  someWords,
} from './for-editors.ts';

/** Fields that several documents share. */

export const NAME: RegExp = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

export const name: z.ZodType<string> = z
  .string()
  .regex(NAME, 'expected lower-case letters, digits and single hyphens')
  .max(63);

export const version: z.ZodType<string> = forEditors(
  z
    .string({
      error: ({ input }) =>
        typeof input === 'number'
          ? `quote it, and write three parts: "${threeParts(input)}"`
          : undefined,
    })
    .max(128)
    .refine(
      (text) => !text.includes('+'),
      'expected no build metadata: versions become file names and tags',
    )
    .refine(
      (text) => validVersion(text) === text,
      'expected a semantic version of three parts, such as 1.4.0',
    ),
  { pattern: semanticVersion },
);

/** What YAML read as a number: 1.4, or 2. */
function threeParts(value: number): string {
  const [major = '0', minor = '0'] = String(value).split('.');
  return `${major}.${minor}.0`;
}

export const versionRange: z.ZodType<string> = z
  .string()
  .max(256)
  .refine(
    (text) => validRange(text) !== null,
    'expected a range of semantic versions such as ^1.4',
  );

export const digest: z.ZodType<Digest> = forEditors(
  z
    .string()
    .refine(
      isDigest,
      'expected sha256: and 64 lower-case hex digits',
    ) as unknown as z.ZodType<Digest>,
  { pattern: 'sha256:[0-9a-f]{64}' },
);

export const sri: z.ZodType<Sri> = forEditors(
  z
    .string()
    .refine(isSri, 'expected sha512- and 88 base64 characters') as unknown as z.ZodType<Sri>,
  { pattern: 'sha512-[A-Za-z0-9+\\/]{85}[AQgw]==' },
);

export const hex = (digits: number): z.ZodType<string> =>
  z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`), `expected ${digits} lower-case hex digits`);

export const commit: z.ZodType<string> = hex(40);

/** A relative path below a model's or a tree's folder. */
export const safePath: z.ZodType<string> = forEditors(
  z.string().superRefine((text, context) => {
    const defect = pathDefect(text);
    if (defect !== undefined)
      context.addIssue({ code: 'custom', message: `unsafe path: ${defect}` });
  }),
  { pattern: relativePath },
);

/** A path on the media, of the characters that are allowed in `SHA512SUMS`. */
export const mediaPath: z.ZodType<string> = forEditors(
  z.string().refine(isMediaPath, 'expected a relative path of A-Z a-z 0-9 . _ - and /'),
  { pattern: partOf(PLAIN_PATH) },
);

const CONTAINER_PATH = /^\/[A-Za-z0-9._@+-]+(?:\/[A-Za-z0-9._@+-]+)*$/;

/** An absolute path inside a container. */
export const containerPath: z.ZodType<string> = forEditors(
  z
    .string()
    .max(1024)
    .regex(CONTAINER_PATH, 'expected an absolute path of portable names')
    .refine(
      (text) => !text.split('/').some((part) => part === '.' || part === '..'),
      'expected no . or ..',
    ),
  { pattern: `(?!.*\\/\\.{1,2}(?:\\/|$))${partOf(CONTAINER_PATH)}` },
);

/** `registry/repository` of an image. */
export const imageRepository: z.ZodType<string> = forEditors(
  line(512).refine(
    isImageRepository,
    'expected a registry and a repository name, such as registry.example/team/server',
  ),
  { pattern: `${partOf(REGISTRY_HOST)}\\/${partOf(REPOSITORY_NAME)}` },
);

/** `organisation/name` of a model. */
export const hubRepository: z.ZodType<string> = forEditors(
  line(256).refine(isHubRepository, 'expected organisation/name'),
  { pattern: `(?!.*\\.\\.)${partOf(HUB_NAME)}` },
);

export const bytes: z.ZodType<number> = z.int().min(0);
/** CRC-32 of each 4 MiB, 8 hex digits each. */
export const crc32: z.ZodType<string> = z.string().regex(/^(?:[0-9a-f]{8})*$/);
export const port: z.ZodType<number> = z.int().min(1).max(65_535);
export const sequence: z.ZodType<number> = z.int().min(1);

/** A time in UTC to the second: `2026-11-21T10:00:00Z`. */
export const moment: z.ZodType<string> = forEditors(
  z
    .string()
    .regex(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
      'expected a time in UTC such as 2026-11-21T10:00:00Z',
    )
    .refine((text) => isMoment(new Date(text), text), 'expected a date and time that exist'),
  { pattern: momentInUtc },
);

/** One line of printable text. */
export function line(max: number): z.ZodType<string> {
  return z
    .string()
    .max(max)
    .regex(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]*$/u, 'expected one line without control characters');
}

/** {@link line} that is not empty. */
export const someLine = (max: number, message: string): z.ZodType<string> =>
  forEditors(
    line(max).refine((value) => value !== '', message),
    { pattern: someText },
  );

/** {@link line} that has more than spaces. */
export const reason = (max: number): z.ZodType<string> =>
  forEditors(
    line(max).refine((value) => value.trim() !== '', 'expected a reason'),
    { pattern: someWords },
  );

/** Text of several lines: line feeds and tabs, no other control characters. */
export const text = (max: number): z.ZodType<string> =>
  forEditors(
    z
      .string()
      .max(max)
      .refine(
        (value) => /^[^\p{Cc}\p{Cs}]*$/u.test(value.replace(/[\n\t]/g, '')),
        'expected no control characters',
      ),
    { pattern: severalLines },
  );

// Date parses the 30th of February as the 2nd of March.
function isMoment(date: Date, text: string): boolean {
  return !Number.isNaN(date.getTime()) && momentOf(date) === text;
}

/** {@link moment} of a date, truncated to the second. */
export function momentOf(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

export const platform: z.ZodType<string> = z
  .string()
  .regex(/^linux\/[a-z0-9]+(?:\/v[0-9]+)?$/, 'expected a platform such as linux/amd64');

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
