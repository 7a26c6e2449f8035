import { anchorTrust } from '../../bundle/admission/trust-anchor.ts';
import { findDiscs } from '../../bundle/discs.ts';
import { readId } from '../../bundle/read-index.ts';
import { isRemoteAddress } from '../../remote/address.ts';
import type { ImportOptions } from '../../site/importing/import.ts';
import type { SiteContext } from '../../site/site-context.ts';
import type { CommandContext } from '../command.ts';
import { confirmFingerprint } from './confirm.ts';
import type { AccessOptions } from './registry-access.ts';
import { readTrustFile } from './trust-option.ts';

export interface InstallOptions extends AccessOptions {
  readonly trust?: string;
  readonly fingerprint?: string;
  readonly acceptAge?: string;
  readonly rehash?: boolean;
  readonly dryRun?: boolean;
  readonly root?: string;
}

/**
 * Checks that there is a bundle, before anybody is asked for a fingerprint. Nothing is verified here.
 * @throws StowageError `bundle-absent`
 */
export async function requireBundle(
  places: readonly string[],
  context: CommandContext,
): Promise<void> {
  if (places.includes('-') || places.some(isRemoteAddress)) return;
  for (const folder of await findDiscs(places.map((place) => context.path(place))))
    await readId(folder);
}

/** What an import needs, with the trust document of the site or the one that the user gave and confirmed. @throws as `anchorTrust` */
export async function importOptions(
  opened: SiteContext,
  { trust: file, fingerprint, acceptAge }: InstallOptions,
  context: CommandContext,
): Promise<ImportOptions> {
  const given = file === undefined ? undefined : await readTrustFile(file, context);
  const trust = await anchorTrust(await opened.site.trust(), given, (each) =>
    confirmFingerprint(each, fingerprint, context),
  );
  return { ...opened, trust, ...(acceptAge === undefined ? {} : { acceptAge }) };
}
