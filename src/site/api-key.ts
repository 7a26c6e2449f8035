import { StowageError } from '../core/error.ts';
import type { Health } from '../format/service.ts';
import type { ServiceOf, Target } from '../target/target.ts';
import { keptName, readSecret } from './planning/secrets.ts';
import type { SiteFolder } from './site-folder.ts';

/** Visible ASCII characters: anything else cannot be in a header (RFC 6750, section 2.1, is narrower). */
const KEY = /^[\x21-\x7e]+$/;

/** Where the value of an API key can be. */
export interface KeyPlaces {
  readonly target: Target;
  /** Nowhere in `site.yaml` if absent. */
  readonly site?: SiteFolder;
  /** The variables of this process, for secrets that `site.yaml` finds there. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/**
 * The API key that a running service requires: the value in `site.yaml`, or if that was changed since, the value that its
 * engine still has. Each is compared with the name under which the generation keeps it, which depends on the value.
 * @returns undefined for a service without an API key, and for a key that neither has
 */
export async function apiKeyOf(
  of: ServiceOf,
  { apiKey }: Pick<Health, 'apiKey'>,
  { target, site, env = {}, signal }: KeyPlaces,
): Promise<string | undefined> {
  if (apiKey === undefined || site === undefined) return undefined;
  const { release } = of;
  const name = release.secrets.find(({ secret }) => secret === apiKey)?.name;
  if (name === undefined) return undefined;
  const isIt = async (value: Uint8Array): Promise<boolean> =>
    (await keptName(site, release.name, apiKey, value)) === name;
  const readers = [
    async () => readSecret(await site.writtenSettings(), release.name, apiKey, env),
    async () => target.storedSecret?.(of, name, signal),
  ];
  for (const read of readers) {
    const value = await orUndefined(read(), signal);
    if (value !== undefined && (await isIt(value))) return keyIn(value);
  }
  return undefined;
}

/** The text of a value that can be an API key; undefined for one that cannot. */
export function keyIn(value: Uint8Array): string | undefined {
  const text = Buffer.from(value).toString('latin1');
  return KEY.test(text) ? text : undefined;
}

/** A value that cannot be read is not known; the check that needs it says so. */
async function orUndefined<T>(
  value: Promise<T | undefined>,
  signal: AbortSignal,
): Promise<T | undefined> {
  try {
    return await value;
  } catch (error) {
    if (signal.aborted || !(error instanceof StowageError)) throw error;
    return undefined;
  }
}
