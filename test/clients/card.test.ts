import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.ts';
import { Browser, type Shown } from './browser.ts';

const scratch = scratchFolder();
let browser: Browser;

beforeAll(async () => {
  browser = await Browser.start(scratch.fresh('profile'));
});

afterAll(() => browser?.stop());

const open = (name: string): Promise<Shown> =>
  browser.open(new URL(`../../signing/${name}`, import.meta.url).href, 1000);

describe.each(['card.html', 'refusals.html'])('when an officer opens signing/%s', (name) => {
  it('fits one page of A4 paper', async () => {
    const pdf = (await (await open(name)).pdf()).toString('latin1');
    expect(/\/Count ([0-9]+)/.exec(pdf)?.[1]).toBe('1');
  });

  it('makes no requests and logs nothing', async () => {
    const page = await open(name);
    expect(page.requests).toHaveLength(1);
    expect(page.said).toEqual([]);
  });
});
