import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePem } from '../../src/trust/pem.ts';
import { runProgram } from '../support/fake-terminal.ts';
import { richBundle } from '../support/rich-bundle.ts';
import { scratchFolder } from '../support/scratch.ts';
import { makeAuthority } from '../support/small-bundle.ts';
import { Browser, type Shown } from './browser.ts';

const HOSTILE = `</style></svg><script>document.title='run'</script><img src=x onerror="document.title='run'">'"\u202egpj.exe`;

const scratch = scratchFolder();
const place = scratch.fresh('pages');
const widths = [360, 800, 1400];
let browser: Browser;

beforeAll(async () => {
  mkdirSync(place);
  const authority = makeAuthority();
  writeFileSync(join(place, 'root.pem'), encodePem('CERTIFICATE', authority.root.der));
  const plain = await richBundle(scratch.fresh(), authority);
  const hostile = await richBundle(scratch.fresh(), authority, { text: HOSTILE });
  const trust = ['--trust', 'root.pem'];
  for (const [name, ...args] of [
    ['checked', plain.folder, ...trust],
    ['unchecked', plain.folder],
    ['hostile', hostile.folder, ...trust],
  ] as const) {
    const ran = await runProgram(['inspect', ...args, '--html', `${name}.html`], place);
    expect(ran.status).toBe(0);
  }
  browser = await Browser.start(scratch.fresh('profile'));
});

afterAll(() => browser?.stop());

const open = (name: string, width = 1000): Promise<Shown> =>
  browser.open(pathToFileURL(join(place, `${name}.html`)).href, width);

describe('when an officer opens the page of a bundle', () => {
  it.each(['checked', 'unchecked', 'hostile'])(
    'makes no requests and runs no scripts: %s',
    async (name) => {
      const page = await open(name);
      expect(page.requests).toHaveLength(1);
      expect(page.said).toEqual([]);
      expect(await page.evaluate<string>('document.title')).toBe('Bundle chat 1.0.0');
      expect(
        await page.evaluate<number>("document.querySelectorAll('script, img, iframe').length"),
      ).toBe(0);
    },
  );

  it('has the style that its content security policy allows', async () => {
    const page = await open('checked');
    const width = "getComputedStyle(document.querySelector('.verdict')).borderLeftWidth";
    expect(await page.evaluate<string>(width)).toBe('16px');
  });

  it('shows hostile text literally, including hidden characters', async () => {
    const page = await open('hostile');
    const text = await page.evaluate<string>('document.body.innerText');
    expect(text).toContain(HOSTILE.split('\u202e')[0]);
    expect(text).toContain('U+202E');
    expect(text).not.toContain('\u202e');
  });

  it('has headings in order, one for each section', async () => {
    const page = await open('unchecked');
    const headings = await page.evaluate<string[]>(
      "[...document.querySelectorAll('h1, h2')].map((each) => each.innerText)",
    );
    expect(headings).toEqual([
      ...['Bundle chat 1.0.0', 'What was not checked', 'Signatures', 'Sizes', 'Licenses'],
      ...['Findings recorded when the bundle was locked', 'Publisher signatures'],
      ...['Packages of the images', 'Services', 'Contents', 'How to verify manually'],
    ]);
    const nameless =
      "[...document.querySelectorAll('section')].filter((each) => !document.getElementById(each.getAttribute('aria-labelledby'))).length";
    expect(await page.evaluate<number>(nameless)).toBe(0);
  });

  it('states, in red and in words, that nothing was verified', async () => {
    const page = await open('unchecked');
    const verdict = await page.evaluate<string[]>(
      "(() => { const each = document.querySelector('.verdict strong'); return [each.innerText, getComputedStyle(each).color]; })()",
    );
    expect(verdict).toEqual(['Not verified', 'rgb(155, 19, 19)']);
  });

  it.each(['checked', 'unchecked'])('has text with enough contrast: %s', async (name) => {
    const page = await open(name);
    // WCAG 2.2, 1.4.3: the contrast of each text with the nearest opaque background
    const low = await page.evaluate<string[]>(`(() => {
      const channels = (color) => color.match(/[\\d.]+/g).map(Number);
      const light = ([r, g, b]) => [r, g, b]
        .map((each) => each / 255)
        .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
        .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
      const ground = (each) => {
        const color = channels(getComputedStyle(each).backgroundColor);
        if (color[3] !== 0 || each.parentElement === null) return color;
        return ground(each.parentElement);
      };
      const found = [];
      for (const each of document.body.querySelectorAll('*')) {
        if (![...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '')) continue;
        const [a, b] = [light(channels(getComputedStyle(each).color)), light(ground(each))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 7) found.push(each.outerHTML.slice(0, 80) + ' ' + ratio);
      }
      return found;
    })()`);
    expect(low).toEqual([]);
  });

  it('has bars with enough contrast', async () => {
    const page = await open('checked');
    const fills = await page.evaluate<string[]>(
      "[...document.querySelectorAll('rect')].map((each) => getComputedStyle(each).fill)",
    );
    expect(new Set(fills)).toEqual(new Set(['rgb(20, 73, 122)']));
  });

  it.each(widths)('fits a screen of %i pixels', async (width) => {
    for (const name of ['checked', 'hostile']) {
      const page = await open(name, width);
      const over = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
      expect(await page.evaluate<number>(over), name).toBeLessThanOrEqual(0);
    }
  });

  it('can be navigated by keyboard', async () => {
    const page = await open('checked');
    await page.press('Tab');
    expect(await page.evaluate<string>('document.activeElement.innerText')).toBe(
      'What was not checked',
    );
    const outline = 'getComputedStyle(document.activeElement).outlineStyle';
    expect(await page.evaluate<string>(outline)).toBe('solid');
    await page.press('Tab');
    await page.press('Enter');
    expect(await page.evaluate<string>('location.hash')).toBe('#signers');
  });

  it('can be printed', async () => {
    const pdf = await (await open('checked')).pdf();
    expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
    expect(pdf.length).toBeGreaterThan(20_000);
  });
});
