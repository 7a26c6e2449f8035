import { describe, expect, it } from 'vitest';
import { install, installImported } from '../../../src/site/applying/install.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder();

describe('when an older version is installed over a newer one', () => {
  it('warns if it was imported before, and refuses to import it again', async () => {
    const one = await smallBundle({ place: scratch.fresh() });
    const { authority, trust } = one;
    const two = await smallBundle({ place: scratch.fresh(), authority, version: '1.1.0', seq: 2 });
    const heard = context();
    const options = { ...heard, site: new SiteFolder(scratch.fresh('site')), target: fakeTarget() };
    await install(one.folder, { ...options, trust });
    await install(two.folder, { ...options, trust });
    const warnings = (): string[] =>
      heard.events.flatMap((each) => (each.type === 'warning' ? [each.message] : []));
    expect(warnings().filter((each) => each.includes('returns'))).toEqual([]);
    const { plan } = await installImported('chat@1.0.0', options);
    expect(plan.to.releases).toMatchObject([{ version: '1.0.0' }]);
    expect(warnings()).toContain('chat returns from 1.1.0 to 1.0.0');
    await expectCode(() => install(one.folder, { ...options, trust }), 'release-rollback');
  });
});
