import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { canonicalBytes, type Json } from '../../src/core/json.ts';
import { bundleKind } from '../../src/format/bundle.ts';
import { containerWorkloadKind } from '../../src/format/containers.ts';
import {
  checkDocument,
  type DocumentKind,
  readCanonical,
  readJson,
  writeCanonical,
  writeJson,
} from '../../src/format/document.ts';
import { fleetEntryKind, fleetKind, fleetSiteKind } from '../../src/format/fleet.ts';
import { promotionKind, recallOrderKind } from '../../src/format/fleet-orders.ts';
import { hopKind } from '../../src/format/hop.ts';
import { ledgerEntryKind, ledgerHeadKind } from '../../src/format/ledger.ts';
import { editedLockKind } from '../../src/format/lock.ts';
import { manifestKind } from '../../src/format/manifest.ts';
import { generationKind, planKind } from '../../src/format/plan.ts';
import { keyHandoverKind, receiptKind } from '../../src/format/receipt.ts';
import { jsonSchemas } from '../../src/format/schemas.ts';
import { siteKind } from '../../src/format/site.ts';
import { journalKind } from '../../src/format/site-state.ts';
import { trustKind } from '../../src/format/trust.ts';
import { expectCode } from '../support/error.ts';
import { bend, paths } from './bend.ts';
import * as sample from './samples.ts';

const documents: readonly [string, DocumentKind<unknown>, object][] = [
  ['manifest', manifestKind, sample.manifest()],
  ['lock', editedLockKind, sample.lock()],
  ['bundle', bundleKind, sample.bundle()],
  ['trust', trustKind, sample.trust()],
  ['site', siteKind, sample.site()],
  ['generation', generationKind, sample.generation(1)],
  ['container workload', containerWorkloadKind, sample.containerWorkload()],
  ['plan', planKind, sample.plan()],
  ['receipt', receiptKind, sample.receipt()],
  ['receipt with holdings', receiptKind, sample.receiptWithHoldings()],
  ['journal entry', journalKind, { step: 1, state: 'begun' }],
  ['ledger entry', ledgerEntryKind, sample.ledgerEntry()],
  ['fleet', fleetKind, sample.fleet()],
  ['site of a fleet', fleetSiteKind, sample.fleetSite()],
  ['entry of the ledger of a fleet', fleetEntryKind, sample.fleetEntry()],
  ['promotion', promotionKind, sample.promotion()],
  ['recall of a fleet', recallOrderKind, sample.recallOrder()],
  ['hop statement', hopKind, sample.hop()],
  ['key handover', keyHandoverKind, sample.keyHandover()],
  ['ledger head', ledgerHeadKind, { number: 7, digest: 'f'.repeat(128) }],
];

/** Values of which every member refuses at least those that are not of its own type. */
const strangers: readonly unknown[] = [null, {}, [], 'a\u0000b', -1.5, true];

describe.each(documents)('when a %s is read', (_, kind, document) => {
  it('is read back unchanged from canonical and indented JSON', () => {
    expect(readCanonical(kind, writeCanonical(kind, document))).toEqual(document);
    expect(readJson(kind, writeJson(kind, document))).toEqual(document);
  });

  it('refuses every member of a wrong type', () => {
    for (const path of paths(document)) {
      // Only null is of a wrong type for every member there is.
      const value = bend(document, path, null);
      expect(kind.schema.safeParse(value).success, `${path} null`).toBe(false);
      const taken = strangers.filter((each) => {
        return kind.schema.safeParse(bend(document, path, each)).success;
      });
      expect(taken.length, `${path} takes ${JSON.stringify(taken)}`).toBeLessThanOrEqual(1);
    }
  });

  it('refuses an unknown member at any depth, with its path', async () => {
    const folders = ['', ...paths(document)].filter((path) => isRecord(document, path));
    for (const path of folders) {
      const name = path === '' ? 'x-unknown' : `${path}.x-unknown`;
      const error = await expectCode(
        () => checkDocument(kind, bend(document, name, null)),
        kind.code,
      );
      expect(error.defects.join('\n')).toContain(name.replaceAll(/\.(\d+)/g, '[$1]'));
    }
  });

  it.each([
    ['nothing', ''],
    ['null', 'null'],
    ['a list', '[]'],
    ['text', '"x"'],
    ['half of it', JSON.stringify(document).slice(0, -10)],
    ['a byte-order mark', `\ufeff${JSON.stringify(document)}`],
  ])('refuses %s', async (_name, text) => {
    await expectCode(() => readJson(kind, Buffer.from(text)), kind.code);
    await expectCode(() => readCanonical(kind, Buffer.from(text)), kind.code);
  });

  it('refuses white space, other order and duplicates where bytes are signed', async () => {
    const bytes = canonicalBytes(document as Json).toString();
    const first = /^\{("[^"]+":(?:"[^"]*"|\d+|\[\]|\{\}))/.exec(bytes)?.[1] ?? '"a":1';
    for (const text of [`${bytes}\n`, bytes.replace(':', ': '), `{${first},${bytes.slice(1)}`])
      await expectCode(() => readCanonical(kind, Buffer.from(text)), kind.code);
  });

  it('refuses more bytes than the limit', async () => {
    const small = { ...kind, maxBytes: 10 };
    const error = await expectCode(() => readJson(small, Buffer.alloc(11)), kind.code);
    expect(error.message).toContain('too large');
  });

  it('writes nothing that it cannot read', async () => {
    await expectCode(() => writeCanonical(kind, { ...document, extra: 1 }), kind.code);
    const { length } = writeCanonical(kind, document);
    expect(writeCanonical({ ...kind, maxBytes: length }, document)).toHaveLength(length);
    await expectCode(() => writeCanonical({ ...kind, maxBytes: length - 1 }, document), kind.code);
    await expectCode(() => writeJson(kind, null), kind.code);
  });
});

function isRecord(document: object, path: string): boolean {
  let value: unknown = document;
  for (const key of path === '' ? [] : path.split('.')) {
    value = (value as Record<string, unknown>)[key];
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

describe('when a number is outside the exact range of JSON', () => {
  it.each([
    ['2^53 - 1', 2 ** 53 - 1, true],
    ['2^53', 2 ** 53, false],
    ['0', 0, false],
    ['1', 1, true],
    ['1.5', 1.5, false],
    ['-1', -1, false],
  ])('of seq %s: %s', (_, seq, taken) => {
    expect(bundleKind.schema.safeParse(bend(sample.bundle(), 'seq', seq)).success).toBe(taken);
  });
});

describe('when a time is read', () => {
  const taken = (moment: string): boolean =>
    bundleKind.schema.safeParse(bend(sample.bundle(), 'resolvedAt', moment)).success;

  it.each(['2024-02-29T00:00:00Z', '1970-01-01T00:00:00Z', '9999-12-31T23:59:59Z'])(
    'takes %s',
    (moment) => expect(taken(moment)).toBe(true),
  );

  it.each([
    '2026-02-29T00:00:00Z',
    '2026-02-30T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01T00:00:60Z',
    '2026-01-01T00:00:00',
    '2026-01-01T00:00:00.5Z',
    '2026-01-01T00:00:00+00:00',
    '2026-01-01 00:00:00Z',
    '2026-01-01T00:00:00Z\n',
  ])('refuses %j', (moment) => expect(taken(moment)).toBe(false));
});

describe('when the JSON Schemas were generated', () => {
  it('matches the generated files: if not, run `npm run schemas`', () => {
    const schemas = jsonSchemas();
    expect(readdirSync('manifests/schema').sort(), 'run `npm run schemas`').toEqual(
      [...schemas.keys()].sort(),
    );
    for (const [name, text] of schemas) {
      const stored = readFileSync(`manifests/schema/${name}`, 'utf8');
      expect(stored === text, `${name} is stale: run \`npm run schemas\``).toBe(true);
    }
  });
});
