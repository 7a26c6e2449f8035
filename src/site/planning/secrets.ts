import { createHmac } from 'node:crypto';
import { StowageError } from '../../core/error.ts';
import { MAX_SECRET_BYTES } from '../../core/limits.ts';
import { nearest } from '../../core/text.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { Defect } from '../../format/defect.ts';
import type { SecretReference } from '../../format/kubernetes-site.ts';
import type { Site } from '../../format/site.ts';
import { readIfThere } from '../../io/file.ts';
import type { OwnSecret, Target } from '../../target/target.ts';
import type { SiteFolder } from '../site-folder.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * The settings of a site with the secrets that its target needs for a release of its own, which a site can also set itself.
 */
export function withOwnSecrets(
  settings: Site,
  release: string,
  own: ReadonlyMap<string, SecretReference>,
): Site {
  if (own.size === 0) return settings;
  const set = Object.hasOwn(settings.secrets, release) ? settings.secrets[release] : {};
  const secrets = { ...settings.secrets, [release]: { ...Object.fromEntries(own), ...set } };
  return { ...settings, secrets };
}

/** Reads the secrets that a target needs of its own; undefined for one without a value. */
export function ownSecretReader(
  settings: Site,
  target: Pick<Target, 'ownSecrets'>,
  env: Variables,
): OwnSecret {
  return async (name) => {
    const own = target.ownSecrets?.(settings) ?? new Map();
    try {
      return await readSecret(withOwnSecrets(settings, name, own), name, name, env);
    } catch (error) {
      if (error instanceof StowageError && error.code === 'site-invalid') return undefined;
      throw error;
    }
  };
}

/** A defect of a secret in `site.yaml`. */
export interface SecretDefect extends Defect {
  /** What helps without a change of `site.yaml`. */
  readonly remedy?: string;
}

/** Each secret of a release without a value, and each misspelt name of one. */
export async function secretDefects(
  bundle: Pick<Bundle, 'name' | 'secrets'>,
  site: SiteFolder,
  settings: Site,
  { env, own = [] }: { readonly env: Variables; readonly own?: readonly string[] },
): Promise<SecretDefect[]> {
  const { name: release } = bundle;
  const given = referencesOf(settings, release);
  const known = [...Object.keys(bundle.secrets), ...own];
  const open = known.filter((secret) => !Object.hasOwn(given, secret));
  const misspelt = Object.keys(given)
    .filter((secret) => !known.includes(secret))
    .flatMap((secret): SecretDefect[] => {
      const meant = nearest(secret, open);
      if (meant === undefined) return [];
      const message = `the release has no such secret; did you mean ${meant}?`;
      return [{ path: ['secrets', release, secret], message, atKey: true }];
    });
  const missing: SecretDefect[] = [];
  for (const secret of known) {
    const reference = Object.hasOwn(given, secret) ? given[secret] : undefined;
    const found = await secretValue(reference, env);
    if (found.value !== undefined) continue;
    const file = site.path('secrets', release, secret);
    const path = ['secrets', release, secret];
    const what = `${found.missing} (${bundle.secrets[secret]?.description ?? 'needed by the target'})`;
    if (reference === undefined) {
      const message = `${what}: add "${secret}: { file: ${file} }", and write the value to that file with mode 600`;
      missing.push({ path, message });
    } else {
      const remedy =
        'file' in reference
          ? `write the value to ${reference.file} with mode 600`
          : `set the variable ${reference.env}`;
      missing.push({ path, message: `${what}: ${remedy}`, remedy });
    }
  }
  return [...misspelt, ...missing];
}

/**
 * The stored name of each secret of a release, also of those that its target needs.
 * @throws StowageError `site-invalid` for a secret without a value
 */
export async function secretNames(
  bundle: Bundle,
  site: SiteFolder,
  settings: Site,
  { env, own = [] }: { readonly env: Variables; readonly own?: readonly string[] },
): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  for (const secret of [...Object.keys(bundle.secrets), ...own]) {
    const value = await readSecret(settings, bundle.name, secret, env);
    names.set(secret, await keptName(site, bundle.name, secret, value));
  }
  return names;
}

/**
 * The name under which an engine stores one value of a secret: `stowage-<release>-<secret>-<12 hex digits>`. The
 * digits depend on a key of the site, so nobody can guess a short secret from them.
 */
export async function keptName(
  site: SiteFolder,
  release: string,
  secret: string,
  value: Uint8Array,
): Promise<string> {
  const mac = createHmac('sha256', await site.nameKey()).update(`${release}\0${secret}\0`);
  return `stowage-${release}-${secret}-${mac.update(value).digest('hex').slice(0, 12)}`;
}

/** @throws StowageError `site-invalid` when `site.yaml` has no reference to a value, or there is no value */
export async function readSecret(
  settings: Site,
  release: string,
  secret: string,
  env: Variables,
): Promise<Buffer> {
  const found = await secretValue(secretReference(settings, release, secret), env);
  if (found.value !== undefined) return found.value;
  throw new StowageError('site-invalid', `release ${release} has no value for secret ${secret}`, {
    expected: `secrets.${release}.${secret} with a file or a variable that contains it`,
    found: found.missing,
    hint: `set it in site.yaml under secrets.${release}: "file: /path" or "env: NAME"`,
  });
}

/** The file or variable of a secret in `site.yaml`. */
export function secretReference(
  settings: Site,
  release: string,
  secret: string,
): SecretReference | undefined {
  const references = referencesOf(settings, release);
  return Object.hasOwn(references, secret) ? references[secret] : undefined;
}

function referencesOf(
  { secrets }: Site,
  release: string,
): Readonly<Record<string, SecretReference>> {
  return Object.hasOwn(secrets, release) ? (secrets[release] ?? {}) : {};
}

export function secretChanged(release: string, secret: string): StowageError {
  return new StowageError('plan-stale', `secret ${secret} of release ${release} was changed`, {
    expected: 'the value that it had when the plan was made',
    found: 'a different value',
    hint: 'make the plan again',
  });
}

type Found =
  | { readonly value: Buffer; readonly missing?: undefined }
  | { readonly value?: undefined; readonly missing: string };

async function secretValue(reference: SecretReference | undefined, env: Variables): Promise<Found> {
  if (reference === undefined) return { missing: 'nothing in site.yaml' };
  if ('env' in reference) {
    const text = env[reference.env] ?? '';
    return text === ''
      ? { missing: `variable ${reference.env} is not set` }
      : { value: Buffer.from(text) };
  }
  const { file } = reference;
  let bytes: Buffer | undefined;
  try {
    bytes = await readIfThere(file, MAX_SECRET_BYTES);
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    return { missing: `${file} cannot be read: ${error.found ?? error.message}` };
  }
  if (bytes === undefined) return { missing: `${file} does not exist` };
  const value = bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes;
  return value.length === 0 ? { missing: `${file} is empty` } : { value };
}
