import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { errorCodes } from '../src/core/error.ts';
import { checkDocument } from '../src/format/document.ts';
import { manifestKind } from '../src/format/manifest.ts';
import { verifyText } from '../src/format/verify-text.ts';

const read = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../signing/${name}`, import.meta.url)), 'utf8');
const card = read('card.html');
const refusals = read('refusals.html');
const manifest = checkDocument(manifestKind, {
  apiVersion: 'stowage/v1',
  name: 'chat',
  version: '1.0.0',
  platforms: ['linux/amd64'],
  files: [{ name: 'settings', source: './settings.json' }],
});

const entities: Readonly<Record<string, string>> = { '&lt;': '<', '&gt;': '>', '&amp;': '&' };
const plain = (text: string): string =>
  text.replace(/<\/?span>/g, '').replace(/&(?:lt|gt|amp);/g, (entity) => entities[entity] ?? '');

describe('when an officer checks by the card', () => {
  it('has the commands of VERIFY.txt, all of them, in their order', () => {
    const typed = [...card.matchAll(/<pre>(.*?)<\/pre>/g)].map((match) => plain(match[1] ?? ''));
    const lines = verifyText(manifest).split('\n');
    expect(typed).toEqual(
      lines.filter((line) => line.startsWith('    ')).map((line) => line.slice(4)),
    );
    expect(typed.length).toBeGreaterThan(8);
  });

  it('finds what each refusal means, and none that there is not', () => {
    const named = [...refusals.matchAll(/<code>([a-z]+-[a-z-]+)<\/code>/g)].map(
      (match) => match[1],
    );
    expect(named.toSorted(), 'run npm run errors').toEqual([...errorCodes.untrusted].toSorted());
  });

  it('has a box for every four digits of the fingerprint', () => {
    const [, boxes = ''] = /<div class="boxes"[^>]*>(.*?)<\/div>/.exec(card) ?? [];
    expect(boxes).toBe('<i></i>'.repeat(256 / 4 / 4));
  });

  it.each([card, refusals])('takes nothing from elsewhere', (page) => {
    expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
    expect(page).not.toMatch(/<script|<link|<img|\b(?:src|href)=|url\(|https?:/);
  });
});
