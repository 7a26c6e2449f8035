import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reportHtml } from '../../src/bundle/report/report-page.ts';
import { sampleFailure, sampleReport } from '../bundle/report/sample.ts';
import { scratchFolder } from '../support/scratch.ts';
import { Browser } from './browser.ts';

/** The printed area of an A4 page with the margins of the report, in CSS pixels. */
const [WIDTH, HEIGHT] = [((210 - 2 * 17) / 25.4) * 96, ((297 - 18 - 20) / 25.4) * 96];

const scratch = scratchFolder();
const place = scratch.fresh('pages');
let browser: Browser;

beforeAll(async () => {
  mkdirSync(place);
  const jsonSha512 = 'a'.repeat(128);
  const put = (name: string, page: Buffer): void => writeFileSync(join(place, name), page);
  put('passed.html', reportHtml(sampleReport(), jsonSha512));
  put(
    'failed.html',
    reportHtml(sampleReport({ outcome: 'failed', failure: sampleFailure }), jsonSha512),
  );
  browser = await Browser.start(scratch.fresh('profile'));
});

afterAll(() => browser?.stop());

describe('when a verification report is printed', () => {
  it.each(['passed', 'failed'])('has its sign-off on the first page: %s', async (name) => {
    const page = await browser.open(
      pathToFileURL(join(place, `${name}.html`)).href,
      Math.floor(WIDTH),
    );
    await page.layOutForPaper();
    const bottom = await page.evaluate<number>(
      `document.querySelector('.hand').getBoundingClientRect().bottom`,
    );
    expect(bottom).toBeGreaterThan(200);
    expect(bottom).toBeLessThan(HEIGHT);
  });
});
