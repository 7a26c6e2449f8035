import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { reportJson } from '../../../src/bundle/report/report-files.ts';
import { reportHtml } from '../../../src/bundle/report/report-page.ts';
import { foreign, html } from '../../../src/core/html-text.ts';
import { readJson } from '../../../src/format/document.ts';
import { type Report, reportKind } from '../../../src/format/report.ts';
import { sampleFailure, sampleReport } from './sample.ts';

const page = (values: Partial<Report> = {}): string =>
  reportHtml(sampleReport(values)).toString('utf8');
const failed = { outcome: 'failed', failure: sampleFailure } as const;

/** What a reader sees: no tags, entities as characters. */
function seen(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&lt;': '<',
    '&gt;': '>',
    '&amp;': '&',
    '&quot;': '"',
    '&#39;': "'",
  };
  return text
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/<[^>]*>/g, '')
    .replace(/&(?:lt|gt|amp|quot|#39);/g, (entity) => entities[entity] ?? '');
}

/** Each way that text from a bundle reaches the page. */
function hostile(text: string): Report {
  const report = sampleReport();
  const [model, image, file] = [
    report.contents?.models[0],
    report.contents?.images[0],
    report.contents?.files[0],
  ];
  if (model === undefined || image === undefined || file === undefined) throw new Error('sample');
  return sampleReport({
    ...failed,
    folder: text,
    failure: {
      ...sampleFailure,
      message: text,
      expected: text,
      found: text,
      hint: text,
      defects: [text],
    },
    bundle: { ...(report.bundle as NonNullable<Report['bundle']>), description: text },
    signatures: [
      { file: 'signatures/a.p7s', counted: false, reason: text },
      {
        file: 'signatures/b.p7s',
        counted: true,
        signer: {
          ...(report.signatures[0]?.signer as NonNullable<Report['signatures'][0]['signer']>),
          subject: text,
        },
      },
    ],
    trust: {
      ...report.trust,
      subject: text,
      roots: report.trust.roots.map((root) => ({ ...root, subject: text })),
    },
    contents: {
      models: [{ ...model, source: text, repository: text, license: text }],
      images: [{ ...image, source: text, repository: text }],
      files: [{ ...file, source: text }],
    },
    findings: [{ source: 'tiny', file: text, rule: 'auto-map', severity: 'note', message: text }],
    unchecked: [{ what: text, why: text }],
    host: { platform: text, node: text, openssl: text },
  });
}

const places = 25;

describe('when a page is created', () => {
  it.each([
    ['of a passed report', page()],
    ['of a failed report', page(failed)],
  ])('runs no script and loads nothing, %s', (_, text) => {
    const [, css = ''] = /<style>(.*?)<\/style>/s.exec(text) ?? [];
    const hash = createHash('sha256').update(css).digest('base64');
    expect(text).toContain(
      `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'">`,
    );
    expect(text).not.toMatch(/<(?:script|img|link|iframe|object|embed|svg|form|base|a)\b/i);
    expect(text).not.toMatch(/\s(?:on\w+|src|href|srcset|style)=/i);
    expect(text).not.toMatch(/url\(|@import|https?:/);
  });

  it('closes every element that it opens, in order', () => {
    const open: string[] = [];
    for (const [tag, slash, name = ''] of page(failed).matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*>/g)) {
      if (['meta', 'wbr'].includes(name)) continue;
      if (slash === '/') expect(open.pop(), tag).toBe(name);
      else open.push(name);
    }
    expect(open).toEqual([]);
  });

  it('can be navigated by headings and table headers', () => {
    const text = page(failed);
    const levels = [...text.matchAll(/<h([1-6])>/g)].map((match) => Number(match[1]));
    expect(levels[0]).toBe(1);
    expect(levels.filter((level) => level === 1)).toHaveLength(1);
    levels.slice(1).forEach((level, at) => {
      expect(level - (levels[at] ?? 0)).toBeLessThanOrEqual(1);
    });
    const headers = [...text.matchAll(/<th\b([^>]*)>/g)];
    expect(headers.length).toBeGreaterThan(20);
    for (const [header, attributes = ''] of headers)
      expect(attributes, header).toMatch(/scope="(?:row|col)"/);
    expect(text).toContain('<html lang="en" dir="ltr">');
  });

  it('states its result first', () => {
    const verdict = (values: Partial<Report>): string =>
      /<strong>(.*?)<\/strong>/.exec(page(values))?.[1]?.replace(/<[^>]*>/g, '') ?? '';
    expect(verdict({})).toBe('Passed');
    expect(verdict(failed)).toBe('Rejected');
    expect(
      verdict({
        outcome: 'failed',
        failure: { ...sampleFailure, code: 'io-failed', exitStatus: 1 },
      }),
    ).toBe('Not completed');
    expect(seen(page(failed))).not.toContain('Passed');
  });

  it('has space for a handwritten signature, what was not checked, and the digest of the JSON', () => {
    const text = seen(reportHtml(sampleReport(), '0f'.repeat(64)).toString());
    for (const each of ['Name and position', 'Place and date', 'Signature', 'the moon'])
      expect(text).toContain(each);
    expect(text).toContain('0f'.repeat(64));
    expect(text).toContain('not from a build');
  });

  it('prints the page number and the bundle on each page', () => {
    expect(page()).toMatch(/@page \{ size: A4;[^}]*\n@bottom-left \{ content: "bundle (?:e5){8}"/);
    const { id: _, ...rest } = sampleReport(failed);
    expect(reportHtml(rest).toString()).toContain('@bottom-left { content: ""');
  });

  it('truncates a long table and reports that', () => {
    const finding = {
      source: 'a',
      file: 'b',
      rule: 'auto-map',
      severity: 'note',
      message: 'd',
    } as const;
    const text = seen(page({ findings: Array.from({ length: 2003 }, () => finding) }));
    expect(text).toContain('3 further rows not shown: the JSON report lists all.');
  });
});

describe('when a bundle has hostile text', () => {
  it.each([
    ['markup', `<script>alert(1)</script><img src=x onerror="alert('1')">&lt;`],
    ['the end of a style', '</style><style>*{display:none}'],
    ['the end of a comment and of the page', '--></main></body>]]>'],
  ])('shows %s as it is, everywhere', (_, text) => {
    const markup = reportHtml(hostile(text)).toString();
    expect(markup).not.toContain(text);
    expect(seen(markup).split(text)).toHaveLength(places + 1);
  });

  it.each([
    ['a text that runs backwards', 'exe.\u202etxt', 'U+202E'],
    ['an isolate', 'a\u2066b', 'U+2066'],
    ['a space of no width', 'a\u200bb', 'U+200B'],
    ['a space that is none', 'a\u00a0b', 'U+00A0'],
    ['a filler that draws nothing', 'a\u3164b', 'U+3164'],
    ['a tag character', 'a\u{e0041}b', 'U+E0041'],
    ['a soft hyphen', 'a\u00adb', 'U+00AD'],
    ['a private character', 'a\ue000b', 'U+E000'],
  ])('makes %s visible', (_, text, name) => {
    const markup = reportHtml(hostile(text)).toString();
    expect(markup).not.toContain(text);
    expect(markup.split(`<span class="unseen">${name}</span>`)).toHaveLength(places + 1);
  });

  it('isolates right-to-left text', () => {
    expect(page({ ...failed, folder: '/שלום' })).toContain('<bdi>/שלום</bdi>');
  });

  it('makes unpaired surrogates and controls visible too', () => {
    expect(html`${foreign('a\ud800b\u0007')}`).toBe(
      '<bdi>a<span class="unseen">U+D800</span>b<span class="unseen">U+0007</span></bdi>',
    );
  });

  it('shows a long digest in groups that wrap and are copied as one', () => {
    const text = page();
    const sum = 'e5'.repeat(64);
    expect(text).not.toContain(sum);
    expect(seen(text)).toContain(sum);
    expect(text.split('e5e5e5e5</bdi></span><wbr>')).toHaveLength(17);
  });
});

describe('when the JSON has hostile text', () => {
  it('keeps the value, without characters that a terminal would obey', () => {
    const text = 'exe.\u202etxt \u{e0041}\u200b\u0085\u2028'.slice(0, 12);
    const report = { ...hostile(text) };
    const json = reportJson(report);
    expect(json.toString()).not.toMatch(/[\p{Cf}\p{DI}\u0080-\u009f\u2028\u2029]/u);
    expect(json.toString()).toContain('exe.\\u202etxt \\udb40\\udc41\\u200b');
    expect(readJson(reportKind, json)).toEqual(report);
  });
});
