import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { HubCacheExport } from '../../../src/depot/hub-cache.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { stagedSite } from '../../support/staged-site.ts';

const scratch = scratchFolder();
const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const root = scratch.fresh('site');
const REPOSITORY = 'models--example--tiny';
let first: SmallBundle;
let second: SmallBundle;

function depotExport(...args: string[]): { status: number | null; stdout: string } {
  const all = [main, 'depot', 'export', '--root', root, ...args];
  return spawnSync(process.execPath, all, { cwd: scratch.root, encoding: 'utf8' });
}

const commitOf = (bundle: SmallBundle): string => bundle.bundle.models[0]?.commit ?? '';

beforeAll(async () => {
  first = await smallBundle({ place: scratch.fresh('first') });
  const { authority } = first;
  const place = scratch.fresh('second');
  second = await smallBundle({ place, authority, version: '2.0.0', seq: 2 });
  await stagedSite(root, [first, second]);
});

describe('when the models of a site are exported', () => {
  it('writes those of every release and prints how to use them', () => {
    const folder = scratch.fresh('cache');
    const { status, stdout } = depotExport('--hf-cache', folder);
    expect(status).toBe(0);
    expect(stdout).toContain('example/tiny: 3 files');
    expect(stdout).toContain(`HF_HUB_OFFLINE=1 HF_HUB_CACHE=${folder}`);
    const snapshots = readdirSync(join(folder, REPOSITORY, 'snapshots')).toSorted();
    expect(snapshots).toEqual([commitOf(first), commitOf(second)].toSorted());
    expect(readFileSync(join(folder, REPOSITORY, 'refs/main'), 'utf8')).toBe(commitOf(second));
    const weights = join(folder, REPOSITORY, 'snapshots', commitOf(second), 'model.safetensors');
    expect(statSync(weights).nlink).toBeGreaterThan(1);
  });

  it('writes those of one release, with options after the subcommand', () => {
    const folder = scratch.fresh('cache');
    const ran = depotExport('--hf-cache', folder, '--release', 'chat@1.0.0', '--json');
    const { repositories } = JSON.parse(ran.stdout) as HubCacheExport;
    expect(repositories).toMatchObject([
      { repository: 'example/tiny', names: { main: commitOf(first) }, commits: [commitOf(first)] },
    ]);
  });

  it('refuses an unknown release, and requires a folder', () => {
    const folder = scratch.fresh('cache');
    expect(depotExport('--hf-cache', folder, '--release', 'none').status).toBe(1);
    expect(existsSync(folder)).toBe(false);
    expect(depotExport().status).toBe(2);
  });
});
