import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { signBundle } from '../../bundle/signing/sign.ts';
import { MAX_SECRET_BYTES } from '../../core/limits.ts';
import type { Bundle } from '../../format/bundle.ts';
import { writeCanonical } from '../../format/document.ts';
import type { KubernetesSite } from '../../format/kubernetes-site.ts';
import { type Rehearsal, rehearsalKind } from '../../format/rehearsal.ts';
import type { Site } from '../../format/site.ts';
import type { Trust } from '../../format/trust.ts';
import { readNamed, writeAtomic } from '../../io/file.ts';
import { makeFolder } from '../../io/folder.ts';
import { type CommandRunner, commandFailure, type Environment } from '../../target/host/command.ts';
import { throwawayAuthority } from '../../trust/certificate-issue.ts';
import { type Signer, signDetached } from '../../trust/cms-sign.ts';
import { trustFromRoot } from '../../trust/trust-root.ts';
import { siteSigner } from '../receipts/site-key.ts';
import { SiteFolder } from '../site-folder.ts';

/** The values of a release at a site, which a rehearsal may be given. */
export type RehearsalValues = Pick<Site, 'parameters' | 'secrets'>;

/** The name of every throw-away site. */
export const SITE_NAME = 'rehearsal';
/** The name of its signature in a bundle. */
export const SIGNATURE = 'rehearsal';
/** Newer than every trust document in a bundle, so that none of them is followed. */
const TRUST_VERSION = 999_999_999;
const COMMAND_MS = 20_000;

/**
 * Signs a bundle that need not be signed yet, with a key that nobody keeps, in a layer above its folders: the folders are not
 * written to.
 * @returns the folders to import, and the trust document that accepts them
 */
export async function signedAbove(
  folders: readonly string[],
  work: string,
  {
    run,
    env,
    signal,
    now,
  }: { run: CommandRunner; env: Environment; signal: AbortSignal; now: Date },
): Promise<{ readonly folders: readonly string[]; readonly trust: Trust }> {
  const { release, trust } = rehearsalAuthority(now);
  const above: string[] = [];
  for (const [index, folder] of folders.entries()) {
    const at = (name: string): string => join(work, 'layers', String(index), name);
    const place = folders.length === 1 ? at('bundle') : at(folder.split('/').at(-1) ?? '');
    // A folder below that belongs to a user outside a user namespace cannot be copied when a file is added to it.
    for (const each of [at('upper'), at('upper/signatures'), at('work'), place])
      await makeFolder(each, 0o700);
    const layers = [
      `lowerdir=${escaped(folder)}`,
      `upperdir=${escaped(at('upper'))}`,
      `workdir=${escaped(at('work'))}`,
    ].join(',');
    const args = ['-t', 'overlay', 'overlay', '-o', layers, place];
    const result = await run('mount', args, { env, signal, timeoutMs: COMMAND_MS });
    if (result.status !== 0) throw commandFailure('mount', args, result);
    await signBundle(place, SIGNATURE, release, now);
    above.push(place);
  }
  return { folders: above, trust };
}

/** A key that nobody keeps, and the trust document that accepts it. */
export function rehearsalAuthority(now: Date): { readonly release: Signer; readonly trust: Trust } {
  const yesterday = new Date(now.getTime() - 86_400_000);
  const { root, release } = throwawayAuthority('Stowage rehearsal', yesterday, [
    randomBytes(16),
    randomBytes(16),
  ]);
  return { release, trust: { ...trustFromRoot(root.certificate, now), version: TRUST_VERSION } };
}

/** `mount` separates options by commas, and overlay its layers by colons. */
function escaped(path: string): string {
  return path.replace(/[\\,:]/g, '\\$&');
}

/** Makes the folder of a site for this release alone. Secrets without a value get a random one. */
export async function makeThrowawaySite(
  work: string,
  bundle: Bundle,
  {
    target,
    unprivileged,
    kubernetes,
    ...values
  }: RehearsalValues & {
    readonly target: string;
    readonly unprivileged: boolean;
    readonly kubernetes?: KubernetesSite;
  },
): Promise<SiteFolder> {
  const root = join(work, 'site');
  await makeFolder(root, 0o700);
  const given = Object.hasOwn(values.secrets, bundle.name) ? values.secrets[bundle.name] : {};
  const secrets: Record<string, Site['secrets'][string][string]> = { ...given };
  for (const name of Object.keys(bundle.secrets)) {
    const { [name]: known } = secrets;
    if (known !== undefined && 'file' in known && unprivileged) {
      // In a user namespace, the folders above belong to nobody.
      const copy = join(work, `secret-${name}`);
      await writeAtomic(copy, await readNamed(known.file, MAX_SECRET_BYTES), 0o600);
      secrets[name] = { file: copy };
    }
    if (known !== undefined) continue;
    const file = join(work, `secret-${name}`);
    await writeAtomic(file, Buffer.from(randomBytes(24).toString('base64url')), 0o600);
    secrets[name] = { file };
  }
  const parameters = Object.hasOwn(values.parameters, bundle.name)
    ? values.parameters[bundle.name]
    : {};
  // JSON is YAML.
  const text = JSON.stringify({
    apiVersion: 'stowage/v1',
    name: SITE_NAME,
    ...{ target, kubernetes },
    channels: [bundle.channel],
    // A rehearsal shows what every service tries.
    with: { [bundle.name]: 'all' },
    parameters: { [bundle.name]: parameters },
    secrets: { [bundle.name]: secrets },
  });
  await writeAtomic(join(root, 'site.yaml'), Buffer.from(`${text}\n`), 0o600);
  return new SiteFolder(root);
}

/** The bytes of a rehearsal, and the signature of its throw-away site. */
export async function signedRehearsal(
  rehearsal: Rehearsal,
  site: SiteFolder,
  now: Date,
): Promise<{ readonly bytes: Buffer; readonly signature: Buffer }> {
  const bytes = writeCanonical(rehearsalKind, rehearsal);
  return { bytes, signature: signDetached(bytes, await siteSigner(site, SITE_NAME, now), now) };
}
