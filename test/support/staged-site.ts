import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { admit } from '../../src/bundle/admission/admit.ts';
import { stage } from '../../src/site/importing/stage.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import { context } from './context.ts';
import type { SmallBundle } from './small-bundle.ts';

/** A site at which these bundles, all of one authority, were imported and nothing was installed. */
export async function stagedSite(
  root: string,
  bundles: readonly SmallBundle[],
): Promise<SiteFolder> {
  const site = new SiteFolder(root);
  await site.prepare();
  for (const bundle of bundles) await stageAt(site, bundle);
  return site;
}

/** Imports one more. */
export async function stageAt(site: SiteFolder, { folder, trust }: SmallBundle): Promise<void> {
  await stage(await admit(folder, { ...context(), trust }), site, context());
}

/** Puts a bundle in place as a program did that imported it without today's checks. */
export function plant(site: SiteFolder, folder: string, id: string): void {
  cpSync(folder, site.path('releases', id.slice(0, 32)), { recursive: true });
  cpSync(join(folder, 'blobs'), site.path('store/blobs'), { recursive: true, force: false });
}
