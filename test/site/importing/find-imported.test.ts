import { describe, expect, it } from 'vitest';
import { MIB } from '../../../src/core/limits.ts';
import { lockHolder, withLock } from '../../../src/io/lock-file.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import {
  install,
  installImported,
  rollback,
  uninstall,
} from '../../../src/site/applying/change-release.ts';
import { importMedia } from '../../../src/site/importing/import.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { siteStatus } from '../../../src/site/status.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder();

describe('when a release is installed whose discs are not all imported', () => {
  it.each(['chat', 'chat@1.0.0'])('names what is missing of %s', async (name) => {
    const discs = { size: 9 * MIB, parity: false } as const;
    const { discs: folders, trust } = await smallBundle({
      ...{ place: scratch.fresh(), partSize: 4 * MIB, weights: 17 * MIB, discs },
    });
    const opened = {
      ...{ ...context(), site: new SiteFolder(scratch.fresh()), target: fakeTarget() },
    };
    const first = folders.slice(0, 1);
    await withSite(opened, (ledger) => importMedia(first, ledger, { ...opened, trust }));
    const error = await expectCode(() => installImported(name, opened), 'bundle-incomplete');
    expect(error.message).toContain(`1 of ${folders.length} discs seen`);
    expect(error.hint).toContain('stowage import DISC');
    await expectCode(() => installImported('other', opened), 'release-unknown');
  });
});

describe('when a release is installed by its name alone', () => {
  it('installs what was imported since, and otherwise repairs what runs', async () => {
    const one = await smallBundle({ place: scratch.fresh() });
    const { authority, trust } = one;
    const later = (minor: number): Promise<SmallBundle> =>
      smallBundle({ place: scratch.fresh(), authority, version: `1.${minor}.0`, seq: minor + 1 });
    const [two, three] = [await later(1), await later(2)];
    const heard = context();
    const options = {
      ...heard,
      site: new SiteFolder(scratch.fresh()),
      target: fakeTarget(),
      trust,
    };
    const byName = async (): Promise<{ version?: string | undefined; said: string[] }> => {
      heard.events.length = 0;
      const { plan } = await installImported('chat', options);
      const said = heard.events.flatMap((each) => (each.type === 'warning' ? [each.message] : []));
      return { version: plan.to.releases[0]?.version, said };
    };
    const imported = ({ folder }: SmallBundle): Promise<unknown> =>
      withSite(options, (ledger) => importMedia([folder], ledger, options));

    await install(one.folder, options);
    await imported(two);
    expect(await byName()).toEqual({ version: '1.1.0', said: [] });
    await rollback(undefined, options);
    const kept = 'chat stays at 1.0.0; 1.1.0 was imported before the last installation of chat';
    expect(await byName()).toEqual({ version: '1.0.0', said: [kept] });
    await imported(three);
    expect(await byName()).toEqual({ version: '1.2.0', said: [] });
    await installImported('chat@1.1.0', options);
    expect(await byName()).toMatchObject({ version: '1.1.0' });
    await uninstall('chat', options);
    expect(await byName()).toEqual({ version: '1.2.0', said: [] });
  });
});

describe('when another command is running', () => {
  it('is named by status, which does not call it interrupted', async () => {
    const opened = {
      ...{ ...context(), site: new SiteFolder(scratch.fresh()), target: fakeTarget() },
    };
    const { site } = opened;
    await site.prepare();
    await withLock(site.path('lock'), async () => {
      const busy = await lockHolder(site.path('lock'));
      expect(await siteStatus(opened)).toMatchObject({ busy, interrupted: false });
    });
    expect(await siteStatus(opened)).not.toHaveProperty('busy');
  });
});
