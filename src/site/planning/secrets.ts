import { createHmac } from 'node:crypto';
import { StowageError } from '../../core/error.ts';
import { MAX_SECRET_BYTES } from '../../core/limits.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { SecretReference } from '../../format/secret-reference.ts';
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

/**
 * The stored name of each secret of a release, also of those that its target needs.
 * @throws StowageError `site-invalid` naming every secret without a value in `site.yaml`
 */
export async function secretNames(
  bundle: Bundle,
  site: SiteFolder,
  settings: Site,
  { env, own = [] }: { readonly env: Variables; readonly own?: readonly string[] },
): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  const missingSecrets: StowageError[] = [];
  for (const secret of [...Object.keys(bundle.secrets), ...own]) {
    try {
      const value = await readSecret(settings, bundle.name, secret, env);
      names.set(secret, await keptName(site, bundle.name, secret, value));
    } catch (error) {
      if (!(error instanceof StowageError) || error.code !== 'site-invalid') throw error;
      missingSecrets.push(error);
    }
  }
  const [first] = missingSecrets;
  if (first === undefined) return names;
  throw new StowageError(first.code, first.message, {
    expected: first.expected ?? '',
    found: first.found ?? '',
    hint: first.hint,
    defects: missingSecrets.map((each) => `${each.message}: ${each.found}`),
  });
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
  const references = Object.hasOwn(settings.secrets, release) ? settings.secrets[release] : {};
  const reference =
    references !== undefined && Object.hasOwn(references, secret) ? references[secret] : undefined;
  if (reference === undefined) throw missing(release, secret, 'nothing in site.yaml');
  const value = await secretValue(reference, env);
  if (value === undefined || value.length === 0)
    throw missing(
      release,
      secret,
      'env' in reference ? `variable ${reference.env} is not set` : `no value in ${reference.file}`,
    );
  return value;
}

export function secretChanged(release: string, secret: string): StowageError {
  return new StowageError('plan-stale', `secret ${secret} of release ${release} was changed`, {
    expected: 'the value that it had when the plan was made',
    found: 'a different value',
    hint: 'make the plan again',
  });
}

async function secretValue(
  reference: SecretReference,
  env: Variables,
): Promise<Buffer | undefined> {
  if ('env' in reference) {
    const text = env[reference.env];
    return text === undefined ? undefined : Buffer.from(text);
  }
  const bytes = await readIfThere(reference.file, MAX_SECRET_BYTES);
  return bytes?.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes;
}

function missing(release: string, secret: string, found: string): StowageError {
  return new StowageError('site-invalid', `release ${release} has no value for secret ${secret}`, {
    expected: `secrets.${release}.${secret} with a file or a variable that contains it`,
    found,
    hint: `set it in site.yaml under secrets.${release}: "file: /path" or "env: NAME"`,
  });
}
