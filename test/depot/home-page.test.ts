import { beforeAll, describe, expect, it } from 'vitest';
import type { Installed } from '../../src/depot/catalog.ts';
import { startDepot } from '../../src/depot/server.ts';
import { catalogOfAll } from '../../src/site/catalog/catalog.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { stagedSite } from '../support/staged-site.ts';

const scratch = scratchFolder();
let small: SmallBundle;
let root: string;

beforeAll(async () => {
  small = await smallBundle({ place: scratch.fresh() });
  ({ root } = await stagedSite(scratch.fresh('site'), [small]));
});

/** The page of a depot whose site has this generation. */
async function page(installed?: Installed): Promise<string> {
  const catalog = await catalogOfAll(new SiteFolder(root), () => {});
  const shown =
    installed === undefined ? catalog : { ...catalog, installed: async () => installed };
  const depot = await startDepot(shown, { address: '127.0.0.1', port: 0 });
  try {
    const text = await (await fetch(`http://${depot.host}/`)).text();
    expect(text).not.toMatch(/="[^"]*<bdi/);
    return text.replace(/<\/?bdi>/g, '');
  } finally {
    await depot.close();
  }
}

const services = [{ name: 'server', addresses: ['http://127.0.0.1:18000'] }];

describe('when the page of a depot is requested', () => {
  it('has an index whose links lead to headings of the page', async () => {
    const text = await page({ generation: 3, releases: new Map([[small.id, services]]) });
    const links = [...text.matchAll(/href="#([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(links).toEqual(expect.arrayContaining(['running', `r${small.id.slice(0, 16)}`]));
    for (const link of links) expect(text).toContain(` id="${link}"`);
  });

  it('shows the installed services with their addresses', async () => {
    const text = await page({ generation: 3, releases: new Map([[small.id, services]]) });
    expect(text).toMatch(/generation 3.*<td>server<\/td><td><code>http:\/\/127\.0\.0\.1:18000</s);
    expect(text).not.toContain('imported, not installed');
  });

  it('marks a release that is only imported, and claims nothing where the generation is unknown', async () => {
    expect(await page({ generation: 0, releases: new Map() })).toMatch(
      /No release of this depot is installed.*imported, not installed/s,
    );
    expect(await page()).not.toContain('installed');
  });

  it('lists the files of models and the files of the bundle', async () => {
    const text = await page();
    for (const name of ['model.safetensors', 'settings.json'])
      expect(text).toMatch(new RegExp(`<td><code>${name}</code></td><td class="number">`));
  });
});
