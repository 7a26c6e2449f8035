import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../lab/process.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { stagedSite } from '../support/staged-site.ts';
import { type DepotProcess, startDepotProcess } from './depot-process.ts';

const scratch = scratchFolder();
let bundle: SmallBundle;
let depot: DepotProcess;

beforeAll(async () => {
  bundle = await smallBundle({ place: scratch.fresh() });
  const site = await stagedSite(scratch.fresh('site'), [bundle]);
  depot = await startDepotProcess({ root: site.root, log: scratch.fresh('log') });
});

afterAll(() => depot.stop());

describe('when a browser shows the page', () => {
  const dump = (): Promise<string> =>
    run('chromium', [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
      ...[`--user-data-dir=${scratch.fresh('profile')}`, '--dump-dom', `http://${depot.host}/`],
    ]);

  it('lists releases, models with license, size and commit, images, and commands', async () => {
    const [model] = bundle.bundle.models;
    const [image] = bundle.bundle.images;
    const page = await dump();
    for (const text of [
      'chat 1.0.0',
      ...[model?.repository, model?.commit, 'apache-2.0', '4.9 KiB in 2 files'],
      ...[image?.source, image?.target.digest],
      `podman pull --tls-verify=false ${depot.host}/chat/server:1.0.0`,
      `HF_ENDPOINT=http://${depot.host} hf download example/tiny`,
    ])
      expect(page).toContain(text);
  });

  it('requests nothing but the page', () => {
    const asked = depot
      .log()
      .split('\n')
      .filter((line) => line.includes('HeadlessChrome'));
    expect(asked.length).toBeGreaterThan(0);
    for (const line of asked)
      expect(['/', '/favicon.ico']).toContain((JSON.parse(line) as { path: string }).path);
  });
});
