import { exists } from '../../io/file.ts';
import { hostPlatform } from '../../target/host/platform.ts';
import type { Finding } from '../../target/target.ts';
import { carDigest, modelCar } from '../catalog/car-entry.ts';
import { ownSecretReader } from '../planning/secrets.ts';
import { listReleases } from '../release/release.ts';
import type { SiteContext } from '../site-folder.ts';

/** What the target of a site checks beside this host; none for a target without anything beside it. */
export async function examineTarget(context: SiteContext): Promise<readonly Finding[]> {
  const { site, target, env = {}, now, signal } = context;
  if (target.examine === undefined) return [];
  const settings = await site.site();
  const { releases } = await listReleases(site);
  const isPrepared = await exists(site.path('keys'));
  return target.examine({
    ...(isPrepared ? { siteId: await site.id() } : {}),
    bundles: releases.map(({ bundle }) => bundle),
    carOf: (bundle, model) => carDigest(site, bundle, modelCar(model)),
    ownSecret: ownSecretReader(settings, target, env),
    platform: hostPlatform(),
    ...{ now, signal },
  });
}
