import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reportHtml } from '../../src/bundle/report/report-page.ts';
import { comparisonPage } from '../../src/site/evaluation/comparison-page.ts';
import { sampleFailure, sampleReport } from '../bundle/report/sample.ts';
import { crowdedFleetPage } from '../fleet/crowded-fleet.ts';
import { evaluationResult } from '../site/evaluation/sample-result.ts';
import { runProgram } from '../support/fake-terminal.ts';
import { richBundle } from '../support/rich-bundle.ts';
import { scratchFolder } from '../support/scratch.ts';
import { makeAuthority } from '../support/small-bundle.ts';
import { Browser } from './browser.ts';

const scratch = scratchFolder();
const place = process.env['PAGES_FOLDER'] ?? scratch.fresh('pages');
/** The printed width of A4 with the margins of our pages, in CSS pixels. */
const PAPER = Math.floor(((210 - 2 * 17) / 25.4) * 96);
const pages = ['inspection', 'report', 'failed-report', 'fleet', 'comparison'];
let browser: Browser;

beforeAll(async () => {
  mkdirSync(place, { recursive: true });
  const put = (name: string, page: Buffer): void =>
    writeFileSync(join(place, `${name}.html`), page);
  put('report', reportHtml(sampleReport(), 'a'.repeat(128)));
  const failed = sampleReport({ outcome: 'failed', failure: sampleFailure });
  put('failed-report', reportHtml(failed, 'a'.repeat(128)));
  put('fleet', crowdedFleetPage());
  put('comparison', comparisonPage(evaluationResult('before'), evaluationResult('after')));
  const { folder } = await richBundle(scratch.fresh(), makeAuthority());
  const ran = await runProgram(
    ['inspect', folder, '--html', join(place, 'inspection.html')],
    place,
  );
  expect(ran.status).toBe(0);
  browser = await Browser.start(scratch.fresh('profile'));
});

afterAll(() => browser?.stop());

/** Text that lies outside of the page, and words of up to 16 characters that are broken across lines. */
const FAULTS = `(() => {
  const width = document.documentElement.clientWidth;
  const faults = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    if (node.parentElement.closest('.unheard, pre, code, thead') !== null) continue;
    for (const { 0: word, index } of node.data.matchAll(/[\\p{L}\\p{N}.]+/gu)) {
      const range = document.createRange();
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      const lines = [...range.getClientRects()].filter((each) => each.width > 0);
      if (lines.some((each) => each.right > width + 1 || each.left < -1)) faults.push('outside: ' + word);
      if (word.length <= 16 && new Set(lines.map((each) => Math.round(each.top))).size > 1) faults.push('broken: ' + word);
    }
  }
  const over = document.documentElement.scrollWidth - width;
  if (over > 0) faults.push('wider than the page by ' + over);
  return faults;
})()`;

describe('when a page is shown', () => {
  describe.each(pages)('%s', (name) => {
    const address = (): string => pathToFileURL(join(place, `${name}.html`)).href;

    it.each([360, 800, 1400])('cuts no text and breaks no word at %i pixels', async (width) => {
      const page = await browser.open(address(), width);
      expect(await page.evaluate<string[]>(FAULTS)).toEqual([]);
      if (process.env['PAGES_FOLDER'] !== undefined)
        writeFileSync(join(place, `${name}-${width}.png`), await page.picture());
    });

    it('cuts no text and breaks no word on paper', async () => {
      const page = await browser.open(address(), PAPER);
      await page.layOutForPaper();
      expect(await page.evaluate<string[]>(FAULTS)).toEqual([]);
      const pdf = await page.pdf();
      expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
      if (process.env['PAGES_FOLDER'] !== undefined) writeFileSync(join(place, `${name}.pdf`), pdf);
    });

    it('names each column where a narrow screen hides the headers', async () => {
      const page = await browser.open(address(), 360);
      const unnamed = `[...document.querySelectorAll('.rows td')].filter((cell) => !(getComputedStyle(cell, '::before').content.length > 4)).length`;
      expect(await page.evaluate<number>(unnamed)).toBe(0);
    });
  });
});
