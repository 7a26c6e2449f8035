import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.ts';
import { Browser, type Shown } from './browser.ts';

const scratch = scratchFolder();
let browser: Browser;

beforeAll(async () => {
  browser = await Browser.start(scratch.fresh('profile'));
});

afterAll(() => browser?.stop());

const open = (width: number): Promise<Shown> =>
  browser.open(new URL('../../signing/card.html', import.meta.url).href, width);

describe('when an officer opens signing/card.html', () => {
  it('fits one sheet of paper: the check on the front, the refusals on the back', async () => {
    const pdf = (await (await open(1000)).pdf()).toString('latin1');
    expect(/\/Count ([0-9]+)/.exec(pdf)?.[1]).toBe('2');
  });

  it('makes no requests and logs nothing', async () => {
    const page = await open(1000);
    expect(page.requests).toHaveLength(1);
    expect(page.said).toEqual([]);
  });
});
