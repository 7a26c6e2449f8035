import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { admit } from '../../src/bundle/admission/admit.ts';
import { readTrust } from '../../src/bundle/admission/trust-files.ts';
import { verifyParts } from '../../src/bundle/verify.ts';
import { StowageError } from '../../src/core/error.ts';
import { context } from '../support/context.ts';
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

describe('when a bundle was made by an earlier version', () => {
  it('is one of several, small, and without a private key', () => {
    expect(cases.length).toBeGreaterThanOrEqual(8);
    const files = readdirSync(corpus, { recursive: true, withFileTypes: true })
      // A site's own key signs its receipts, and belongs to its folder; e2e/versions.test.ts opens those.
      .filter((each) => each.isFile() && each.name !== 'site.key.pem')
      .map((each) => readFileSync(join(each.parentPath, each.name)));
    expect(files.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(550_000);
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
