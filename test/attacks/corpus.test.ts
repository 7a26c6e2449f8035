import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { admit } from '../../src/bundle/admission/admit.ts';
import { readTrust } from '../../src/bundle/admission/trust-files.ts';
import { verifyParts } from '../../src/bundle/verify.ts';
import { StowageError } from '../../src/core/error.ts';
import { bundleKind } from '../../src/format/bundle.ts';
import {
  currentVersion,
  type DocumentKind,
  readJson,
  versionOf,
} from '../../src/format/document.ts';
import { lockKind } from '../../src/format/lock.ts';
import { generationKind, planKind } from '../../src/format/plan.ts';
import { receiptKind } from '../../src/format/receipt.ts';
import { context } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { tree } from '../support/tree.ts';

/** What is due of a bundle of the corpus. */
interface Expected {
  /** In words. */
  readonly is: string;
  /** `accepted`, or the code that it is refused with. */
  readonly verdict: string;
  /** Of a bundle that is accepted. */
  readonly id?: string;
  /** The moment to take for now. */
  readonly at: string;
  /** The version that made it. */
  readonly by: string;
}

const corpus = fileURLToPath(new URL('../corpus/', import.meta.url));
const versions = readdirSync(corpus).filter((each) => /^v[0-9]+$/.test(each));
const cases = versions.flatMap((version) =>
  readdirSync(join(corpus, version)).map((name): [string, Expected] => {
    const place = join(corpus, version, name);
    return [place, JSON.parse(readFileSync(join(place, 'expect.json'), 'utf8')) as Expected];
  }),
);

async function judge(place: string, at: Date): Promise<object> {
  const pem = join(place, 'root.pem');
  const pinned = existsSync(pem) ? pem : join(place, 'trust.json');
  const { trust } = readTrust(readFileSync(pinned), at);
  const own = context({ now: () => at });
  try {
    const admitted = await admit(join(place, 'bundle'), { ...own, trust });
    await verifyParts(admitted, own);
    return { verdict: 'accepted', id: admitted.id };
  } catch (error) {
    if (error instanceof StowageError) return { verdict: error.code };
    throw error;
  }
}

/** A kind as the last program knew it that had no version `version` of it. */
function before<T>(kind: DocumentKind<T>, version: number): DocumentKind<T> {
  const unknown = currentVersion(kind) - version + 1;
  return { ...kind, span: (kind.span ?? 1) - unknown };
}

describe('when documents of version 3 were kept', () => {
  const served = (name: string): string => join(corpus, 'sites/v0.1.0-documents-3/served', name);
  const [receipt = ''] = readdirSync(served('receipts')).filter((each) => each.endsWith('.json'));
  const bundle = join(corpus, 'v3/charts-and-objects/bundle');
  const kept: readonly [string, DocumentKind<unknown>, number, string][] = [
    ['a bundle', bundleKind, 3, join(bundle, 'bundle.json')],
    ['a lock', lockKind, 3, join(bundle, 'attestations/lock.json')],
    ['a generation', generationKind, 3, served('generations/1.json')],
    ['a plan', planKind, 3, served('plan.json')],
    ['a receipt', receiptKind, 4, served(`receipts/${receipt}`)],
  ];

  it.each(kept)(
    'reads %s, and a program of the version before says that it is newer',
    async (_, kind, version, file) => {
      const bytes = readFileSync(file);
      expect(versionOf(kind, JSON.parse(bytes.toString()))).toBe(version);
      expect(readJson(kind, bytes)).toBeDefined();
      const { message, hint } = await expectCode(
        () => readJson(before(kind, version), bytes),
        'format-newer',
      );
      expect(`${message} ${hint}`).toMatch(
        /newer version of stowage .*(?:installer|bin\/stowage|version of stowage)/,
      );
    },
  );
});

describe('when a bundle was made by an earlier version', () => {
  it('is one of several, small, and without a private key', () => {
    expect(cases.length).toBeGreaterThanOrEqual(8);
    const files = readdirSync(corpus, { recursive: true, withFileTypes: true })
      // A site's own key signs its receipts, and belongs to its folder; e2e/versions.test.ts opens those.
      .filter((each) => each.isFile() && each.name !== 'site.key.pem')
      .map((each) => readFileSync(join(each.parentPath, each.name)));
    expect(files.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(700_000);
    expect(files.filter((bytes) => bytes.includes('PRIVATE KEY'))).toEqual([]);
  });

  it.each(cases.map(([place, { is }]) => [place.slice(corpus.length), is, place] as const))(
    'judges %s as it was judged then: %s',
    async (_, __, place) => {
      const [, expected] = cases.find(([each]) => each === place) ?? [];
      if (expected === undefined) throw new Error(`no ${place}`);
      const { verdict, id, at } = expected;
      const before = tree(place);
      const due = verdict === 'accepted' ? { verdict, id } : { verdict };
      expect(await judge(place, new Date(at))).toEqual(due);
      expect(tree(place)).toEqual(before);
    },
  );
});
