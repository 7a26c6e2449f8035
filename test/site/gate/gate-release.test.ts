import { chmodSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { withSite } from '../../../src/site/applying/change.ts';
import { install, installImported } from '../../../src/site/applying/change-release.ts';
import { currentGeneration } from '../../../src/site/generations.ts';
import { type ImportOptions, importBundle } from '../../../src/site/importing/import.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { createDepotTarget } from '../../../src/target/depot/depot.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder(true);
let made: SmallBundle;

beforeAll(async () => {
  made = await smallBundle({ place: scratch.fresh() });
});

async function depotSite(): Promise<ImportOptions> {
  const site = new SiteFolder(scratch.fresh('site'));
  await site.prepare();
  writeFileSync(site.path('site.yaml'), 'apiVersion: stowage/v1\nname: vault\ntarget: depot\n');
  return { ...context(), site, target: createDepotTarget(), trust: made.trust };
}

describe('when a site only serves', () => {
  it('keeps a release that a depot can serve whole', async () => {
    const options = await depotSite();
    const { receipt, plan } = await install(made.folder, options);
    expect(plan.steps.map((each) => each.do.action)).toEqual([
      'place-files',
      'gate-release',
      'switch-generation',
    ]);
    expect(receipt?.gates).toMatchObject([{ service: 'chat', check: 'served', passed: true }]);
  });

  it('keeps none of which a blob was cut', async () => {
    const options = await depotSite();
    await withSite(options, (ledger) => importBundle(made.folder, ledger, options));
    const [blob] = made.bundle.images.flatMap((each) => each.platforms.map(({ config }) => config));
    if (blob === undefined) throw new Error('the bundle has no image');
    const path = options.site.store.path(blob);
    chmodSync(path, 0o644);
    writeFileSync(path, 'x');
    const error = await expectCode(() => installImported('chat', options), 'blob-damaged');
    expect(error.message).toContain('nothing was changed');
    expect((await currentGeneration(options.site)).number).toBe(0);
  });
});
