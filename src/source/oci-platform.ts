import { StowageError } from '../core/error.ts';
import { fieldsOf, textOf } from '../core/json.ts';
import { oneLine } from '../net/address.ts';
import type { Asked } from '../net/http-response.ts';

export interface PlatformFields {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** The default variant of each architecture in container engines. */
const DEFAULT_VARIANTS: Readonly<Record<string, string>> = { arm64: 'v8', arm: 'v7', amd64: 'v1' };

/** The platform that an index entry or an image config states; undefined if the os or the architecture is missing. */
export function platformOf(value: unknown): PlatformFields | undefined {
  const { os, architecture, variant } = fieldsOf(value);
  const fields = { os: textOf(os, 64), architecture: textOf(architecture, 64) };
  if (!fields.os || !fields.architecture) return undefined;
  const known = textOf(variant, 64);
  return { os: fields.os, architecture: fields.architecture, ...(known && { variant: known }) };
}

/** In the form `linux/arm64/v8`. */
export function platformName({ os, architecture, variant }: PlatformFields): string {
  return oneLine([os, architecture, variant].filter(Boolean).join('/'), 80);
}

/**
 * Selects the entry for a platform such as `linux/arm64/v8`. Without a variant, the default variant is selected
 * (arm64 is v8, arm is v7), or else the only entry.
 */
export function choosePlatform<T extends { readonly platform: PlatformFields | undefined }>(
  candidates: readonly T[],
  wanted: string,
): T | undefined {
  const [os, architecture = '', variant] = wanted.split('/');
  const fitting = candidates.filter(
    ({ platform }) => platform?.os === os && platform?.architecture === architecture,
  );
  const usual = variant ?? DEFAULT_VARIANTS[architecture];
  const exact = fitting.find(
    ({ platform }) => (platform?.variant ?? DEFAULT_VARIANTS[architecture]) === usual,
  );
  if (exact !== undefined || variant !== undefined) return exact;
  return fitting.length === 1 ? fitting[0] : undefined;
}

/** Attestations are listed in an index with platform unknown/unknown; they are not images. */
export function isAttestation({ os, architecture }: PlatformFields): boolean {
  return os === 'unknown' || architecture === 'unknown';
}

/** The error for an image that lacks a platform. */
export function platformMissing(
  { what }: Asked,
  wanted: string,
  has: readonly (PlatformFields | undefined)[],
): StowageError {
  const names = has.map((each) =>
    each === undefined ? 'an unnamed platform' : platformName(each),
  );
  return new StowageError('source-not-found', `${what} has no image for ${wanted}`, {
    expected: wanted,
    found: names.slice(0, 32).join(', ') || 'no platforms',
    hint: 'use another tag, or correct the platforms in the manifest',
  });
}
