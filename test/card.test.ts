import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { errorCodes } from '../src/core/error-table.ts';
import { checkDocument } from '../src/format/document.ts';
import { manifestKind } from '../src/format/manifest.ts';
import { verifyText } from '../src/format/verify-text.ts';

const card = readFileSync(fileURLToPath(new URL('../signing/card.html', import.meta.url)), 'utf8');
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
    const named = [...card.matchAll(/<code>([a-z]+-[a-z-]+)<\/code>/g)].map((match) => match[1]);
    expect(named.toSorted(), 'say in signing/card.html what each means').toEqual(
      [...errorCodes.untrusted].toSorted(),
    );
  });

  it('takes nothing from elsewhere', () => {
    expect(card).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
    expect(card).not.toMatch(/<script|<link|<img|\b(?:src|href)=|url\(|https?:/);
  });
});
