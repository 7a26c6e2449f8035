import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportHubCache } from '../../src/depot/hub-cache.ts';
import type { Store } from '../depot/fixture.ts';
import { type AirGap, airGap, assertNoWayOut } from '../lab/airgap.ts';
import { run } from '../lab/process.ts';
import { context } from '../support/context.ts';
import { scratchFolder } from '../support/scratch.ts';
import { COMMIT, FILES, ID, OLD, OLD_SUMS, SUMS, tinyStore } from './hub-depot.ts';
import { askPython, copyOf, hubEnvironment, pythonClient } from './python.ts';

const scratch = scratchFolder();
const cache = scratch.fresh('cache');
let store: Store;
let gap: AirGap;

beforeAll(async () => {
  store = tinyStore();
  await exportHubCache(store, cache, context());
  gap = await airGap();
  await assertNoWayOut(gap.enter);
});
afterAll(async () => {
  await gap?.destroy();
  store?.remove();
});

describe.each(['0.36.2', '1.33.0', '2.4.0'])(
  'when huggingface_hub %s has only the cache',
  (version) => {
    const offline = (): NodeJS.ProcessEnv => ({
      ...hubEnvironment(scratch.fresh('home')),
      HF_HUB_CACHE: cache,
      HF_HUB_OFFLINE: '1',
    });
    // biome-ignore lint/suspicious/noExplicitAny: what the script answers
    const ask = async (job: object, env = offline()): Promise<any> =>
      askPython(
        await pythonClient(`huggingface-hub-${version}`),
        'hub_client.py',
        { repo: ID, ...job },
        {
          env,
          enter: gap.enter,
        },
      );

    it('has the snapshot of each revision', async () => {
      expect(await ask({ do: 'snapshot' })).toMatchObject({ version, commit: COMMIT, files: SUMS });
      for (const revision of ['release/v1', OLD])
        expect(await ask({ do: 'snapshot', revision })).toMatchObject({
          commit: OLD,
          files: OLD_SUMS,
        });
    });

    it('has each file', async () => {
      expect((await ask({ do: 'download', files: Object.keys(FILES) })).files).toEqual(SUMS);
    });

    it('finds no errors in it', async () => {
      const { repos, warnings } = await ask({ do: 'scan' });
      // Versions before 1.29 treat the cache tag file, which newer ones write, as a repository.
      const tagged = version === '0.36.2' ? [expect.stringContaining('CACHEDIR.TAG')] : [];
      expect(warnings).toEqual(tagged);
      expect(repos).toEqual([{ id: ID, files: 10, refs: ['main', 'release/v1'] }]);
    });

    it('downloads with its command-line tool', async () => {
      const { program } = await pythonClient(`huggingface-hub-${version}`);
      const [enter = '', ...before] = gap.enter;
      const env = { ...offline(), HF_HUB_DISABLE_UPDATE_CHECK: '1' };
      const said = await run(enter, [...before, program('hf'), 'download', ID], { env });
      expect(said).toContain(join(cache, 'models--example--tiny', 'snapshots', COMMIT));
    });

    it('works with the cache when the Hub cannot be reached', async () => {
      const env = {
        ...offline(),
        HF_HUB_OFFLINE: '0',
        HF_HUB_CACHE: copyOf(cache, scratch.fresh('copy')),
      };
      expect(await ask({ do: 'snapshot', revision: COMMIT }, env)).toMatchObject({ files: SUMS });
    });
  },
);
