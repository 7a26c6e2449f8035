import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type GivenTrust, readTrust } from '../../../src/bundle/admission/trust-files.ts';
import { viewBundle } from '../../../src/bundle/inspect/bundle-view.ts';
import { inspection } from '../../../src/bundle/inspect/inspection.ts';
import { inspectionPage } from '../../../src/bundle/inspect/page/inspection-page.ts';
import { encodePem } from '../../../src/trust/pem.ts';
import { context, packedAt } from '../../support/context.ts';
import { rehearsedBundle } from '../../support/rehearsed.ts';
import { richBundle } from '../../support/rich-bundle.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { makeAuthority, resign, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder();
const authority = makeAuthority();
const given = readTrust(Buffer.from(encodePem('CERTIFICATE', authority.root.der)), packedAt);
let folder: string;

async function pageOf(place: string, trust?: GivenTrust): Promise<string> {
  const options = { ...context(), ...(trust && { trust: trust.trust }) };
  const view = await viewBundle([place], options);
  return inspectionPage(await inspection(view, trust, packedAt)).toString('utf8');
}

/** What a reader sees: no tags, entities as characters. */
function seen(text: string): string {
  const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"' };
  return text
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/<[^>]*>/g, '')
    .replace(/&(lt|gt|amp|quot|#39);/g, (_, name: string) => entities[name] ?? "'");
}

beforeAll(async () => {
  ({ folder } = await richBundle(scratch.fresh(), authority));
});

describe('when a rehearsal is attached', () => {
  it('says its result, and that it was not repeated', async () => {
    const small = await smallBundle({ place: scratch.fresh(), authority });
    expect(seen(await pageOf(small.folder, given))).not.toContain('rehearsal');
    const rehearsed = await rehearsedBundle(small, scratch.copy(small.folder));
    const text = seen(await pageOf(rehearsed.folder, given));
    expect(text).toContain('passed at 2026-11-20T10:00:00Z on podman');
    expect(text).toContain('it was not repeated');
  });
});

describe('when no trust document is given', () => {
  it('states first, and for each signature, that nothing was verified', async () => {
    const page = await pageOf(folder);
    expect(/<strong>(.*?)<\/strong>/.exec(page)?.[1]).toBe('Not verified');
    const text = seen(page);
    expect(text).toContain('anyone can create a certificate with any name');
    expect(text).not.toContain('counted');
    expect(page).not.toContain('class="outcome-passed"');
    expect(page).not.toContain('Trusted roots');
  });

  it('reports an invalid signature, and a bundle without signatures', async () => {
    const place = scratch.copy(folder);
    writeFileSync(join(place, 'signatures/release.p7s'), 'x');
    expect(seen(await pageOf(place))).toMatch(/invalid: .*\[signature-malformed\]/);
    rmSync(join(place, 'signatures'), { recursive: true });
    expect(seen(await pageOf(place))).toContain('The bundle has no signatures.');
  });
});

describe('when signatures were checked', () => {
  it('states what is valid, the trust anchor, and that the content was not read', async () => {
    const page = await pageOf(folder, given);
    expect(/<strong>(.*?)<\/strong>/.exec(page)?.[1]).toBe('Signatures and file lists are valid');
    const text = seen(page);
    expect(text).toContain('of content were not read.');
    expect(text).toContain(given.fingerprint);
    expect(text).toContain('O=Example Agency, CN=Example Agency Release');
  });

  it('creates no page for a rejected bundle', async () => {
    const place = scratch.copy(folder);
    resign(place, makeAuthority('Example Thief'));
    await expect(pageOf(place, given)).rejects.toMatchObject({ code: 'signer-untrusted' });
  });
});

describe('when an officer reads the page', () => {
  it('shows contents, sizes, licenses, findings, packages, publishers and the manual commands', async () => {
    const text = seen(await pageOf(folder));
    for (const each of [
      ...['Model tiny', '9,000,000', 'example/tiny', 'crumbs/11.bin', 'Image server', 'linux/'],
      ...['8.6 MiB', '68.0 %', 'apache-2.0', 'MIT', 'Debian GNU/Linux 12', 'Packages, deb'],
      ...['Allowed: Example Works', 'the card says mit', 'What is the capital of France?'],
      ...['openssl cms -verify', 'sha512sum --check', 'memory 8.00 GiB'],
    ])
      expect(text).toContain(each);
  });

  it('has the manual commands of a whole bundle, and not those of discs', async () => {
    const text = seen(await pageOf(folder));
    expect(text).toContain('5. No other files.');
    expect(text).not.toContain('disc-1-of-');
  });

  it('can be navigated by headings, landmarks and table headers', async () => {
    const page = await pageOf(folder, given);
    const levels = [...page.matchAll(/<h([1-6])\b/g)].map((match) => Number(match[1]));
    expect(levels.filter((level) => level === 1)).toHaveLength(1);
    levels.slice(1).forEach((level, at) => {
      expect(level - (levels[at] ?? 0)).toBeLessThanOrEqual(1);
    });
    for (const [header, attributes = ''] of page.matchAll(/<th\b([^>]*)>/g))
      expect(attributes, header).toMatch(/scope="(?:row|col)"/);
    for (const landmark of ['<main>', '<header>', '<nav aria-label='])
      expect(page.split(landmark)).toHaveLength(2);
    expect(page).toContain('<html lang="en" dir="ltr">');
    for (const [, target = ''] of page.matchAll(/href="#([^"]*)"/g))
      expect(page.split(` id="${target}"`)).toHaveLength(2);
  });

  it('closes every element that it opens, in order', async () => {
    const open: string[] = [];
    for (const [tag, slash, name = ''] of (await pageOf(folder)).matchAll(
      /<(\/?)([a-z][a-z0-9]*)[^>]*>/g,
    )) {
      if (['meta', 'wbr', 'br'].includes(name)) continue;
      if (slash === '/') expect(open.pop(), tag).toBe(name);
      else open.push(name);
    }
    expect(open).toEqual([]);
  });

  it('runs no script and loads nothing', async () => {
    const page = await pageOf(folder);
    expect(page).toMatch(
      /content="default-src 'none'; style-src 'sha256-[^']{44}'; base-uri 'none'/,
    );
    expect(page).not.toMatch(/<(?:script|img|link|iframe|object|embed|form|base|style [^>])/i);
    expect(page).not.toMatch(/<[^>]*\s(?:on\w+|src|srcset|style)=/i);
    expect(page).not.toMatch(/url\(|@import/);
  });

  it('truncates a long list and names the complete one', async () => {
    const many = await smallBundle({ place: scratch.fresh(), crumbs: 250 });
    expect(seen(await pageOf(many.folder))).toContain(
      '52 further rows not shown: stowage inspect --json lists all.',
    );
  });
});

describe('when a bundle has hostile text', () => {
  it.each([
    ['markup', `<script>alert(1)</script><img src=x onerror="alert('1')">&lt;`],
    ['the end of a style', '</style><style>*{display:none}'],
    ['the end of a comment and of the page', '--></main></body>]]>'],
    ['the end of a picture', '</svg><svg onload=alert(1)>'],
  ])('shows %s as it is, everywhere', async (_, text) => {
    const hostile = await richBundle(scratch.fresh(), authority, { text });
    const markup = await pageOf(hostile.folder);
    expect(markup).not.toContain(text);
    // Package licenses, sources, services: every place where text from the bundle appears.
    expect(seen(markup).split(text).length).toBeGreaterThan(15);
  });

  it.each([
    ['a text that runs backwards', 'exe.\u202etxt', 'U+202E'],
    ['a space of no width', 'a\u200bb', 'U+200B'],
    ['a tag character', 'a\u{e0041}b', 'U+E0041'],
  ])('makes %s visible', async (_, text, name) => {
    const hostile = await richBundle(scratch.fresh(), authority, { text });
    const markup = await pageOf(hostile.folder);
    expect(markup).not.toContain(text);
    expect(markup.split(`<span class="unseen">${name}</span>`).length).toBeGreaterThan(15);
  });
});
