import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { trustBytes } from '../../src/format/trust.ts';
import { withSite } from '../../src/site/applying/change.ts';
import type { ImportOptions } from '../../src/site/importing/import.ts';
import { importNotice } from '../../src/site/importing/import-notice.ts';
import { readLedger } from '../../src/site/ledger/site-ledger.ts';
import { type SiteState, stateOf } from '../../src/site/ledger/site-state.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import { context } from '../support/context.ts';
import { fakeTarget } from '../support/fake-engine.ts';
import { scratchFolder } from '../support/scratch.ts';
import {
  advisoryOf,
  noticeAuthority,
  promotionOf,
  recallOf,
  smallNotice,
} from '../support/small-notice.ts';

const scratch = scratchFolder(true);
const authority = noticeAuthority();
const { trust } = authority;

async function stateAt({ site }: ImportOptions): Promise<SiteState> {
  return stateOf((await readLedger(site)).entries);
}

describe('when the import of a notice is killed', () => {
  const KILL = new URL('../support/kill-in-folder.ts', import.meta.url).href;
  const IMPORT = fileURLToPath(new URL('../support/import-notice.ts', import.meta.url));
  const trustFile = scratch.fresh('trust.json');

  function run(root: string, notice: string, moment: string): boolean {
    const { signal, status, stderr } = spawnSync(
      process.execPath,
      ['--import', KILL, IMPORT, root, notice, trustFile],
      { env: { ...process.env, STOWAGE_TEST_KILL: `${moment} ${root}` }, encoding: 'utf8' },
    );
    if (signal !== 'SIGKILL') expect(status, stderr).toBe(0);
    return signal === 'SIGKILL';
  }

  it('is completed by the same command, at every write, sync and rename', async () => {
    writeFileSync(trustFile, trustBytes(trust.pinned));
    const notice = scratch.fresh('notice');
    const documents = [recallOf(), promotionOf(), advisoryOf()];
    await smallNotice({ authority, folder: notice, documents });
    const place = scratch.fresh('site');
    mkdirSync(place);
    writeFileSync(`${place}/site.yaml`, 'apiVersion: stowage/v1\nname: vault\n');
    const opened = { ...context(), target: fakeTarget(), trust: trust.pinned };
    const whole = scratch.copy(place);
    expect(run(whole, notice, 'list')).toBe(false);
    const steps = Number(readFileSync(`${whole}.steps`, 'utf8'));
    expect(steps).toBeGreaterThan(30);
    const expected = await stateAt({ ...opened, site: new SiteFolder(whole) });
    for (let moment = 1; moment <= steps; moment += 1) {
      const again = { ...opened, site: new SiteFolder(scratch.copy(place)) };
      expect(run(again.site.root, notice, String(moment)), `step ${moment}`).toBe(true);
      await withSite(again, (ledger) => importNotice(notice, ledger, again));
      const state = await stateAt(again);
      const strip = (each: SiteState) => ({
        ...each,
        notices: each.notices.map(({ at: _, ...rest }) => rest),
      });
      expect(strip(state), `step ${moment}`).toEqual(strip(expected));
      const names = readdirSync(again.site.path('notices'));
      expect(names.filter((name) => !/^[0-9a-f]{32}$/.test(name))).toEqual([]);
      expect(existsSync(again.site.path('notices', names[0] ?? '', 'SHA512SUMS'))).toBe(true);
      rmSync(again.site.root, { recursive: true });
    }
  });
});
