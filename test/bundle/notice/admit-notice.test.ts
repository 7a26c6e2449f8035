import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { admitNotice } from '../../../src/bundle/notice/admit-notice.ts';
import type { NoticePolicy } from '../../../src/bundle/notice/notice-policy.ts';
import { type ErrorCode, StowageError } from '../../../src/core/error.ts';
import { canonicalBytes } from '../../../src/core/json.ts';
import { MAX_SEQ_STEP } from '../../../src/core/limits.ts';
import type { Notice } from '../../../src/format/notice.ts';
import { flipped } from '../../attacks/flipped-byte.ts';
import { context, packedAt } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { randomOfTest } from '../../support/seed.ts';
import {
  advisoryOf,
  noticeAuthority,
  promotionOf,
  recallOf,
  type SmallNoticeOptions,
  smallNotice,
} from '../../support/small-notice.ts';
import { makeParty } from '../../trust/simulator.ts';

const scratch = scratchFolder(true);
const authority = noticeAuthority();
const { trust, approver } = authority;
trust.issue({ trust: trust.pinned && { ...trust.pinned, version: 2, maxAgeDays: 100 } });

const everything: Partial<SmallNoticeOptions> = {
  documents: [recallOf(), promotionOf({}, approver.signer), advisoryOf()],
  chain: trust.links,
};

async function made(options: Partial<SmallNoticeOptions> = {}): Promise<string> {
  const folder = scratch.fresh('notice');
  await smallNotice({ authority, folder, ...options });
  return folder;
}

const policy: NoticePolicy = { site: 'vault', notices: [], requireApproval: false };

const admitted = (folder: string, values: Partial<NoticePolicy> = {}) =>
  admitNotice(folder, {
    ...context({ now: () => packedAt }),
    ...{ trust: trust.pinned, policy: { ...policy, ...values } },
  });

const pathsIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .map((each) => join(each.parentPath, each.name).slice(folder.length + 1));

describe('when a notice is admitted', () => {
  it('says what its documents say, and follows its trust documents', async () => {
    const { contents, trust: newest, notice, known } = await admitted(await made(everything));
    expect(contents.recalls).toMatchObject([{ release: 'chat', versions: '<1.1.0' }]);
    expect(contents.promotions).toMatchObject([{ promotion: { to: 'stable' } }]);
    expect(contents.advisories).toMatchObject([
      { at: '2026-11-19T08:00:00Z', about: 'chat 1.0.0' },
    ]);
    expect([newest.version, notice.serial, known]).toEqual([2, 1, false]);
  });

  it('is a few kilobytes', async () => {
    const folder = await made(everything);
    const sizes = pathsIn(folder).map((path) => readFileSync(join(folder, path)).length);
    expect(sizes.reduce((sum, each) => sum + each)).toBeLessThan(40_000);
  });

  it('has the same bytes whenever it is made of the same documents', async () => {
    const [one, two] = [await made(everything), await made(everything)];
    for (const path of pathsIn(one).filter((each) => !each.startsWith('signatures/')))
      expect(readFileSync(join(one, path)).equals(readFileSync(join(two, path))), path).toBe(true);
  });
});

// `e2e/every-byte.test.ts` flips each byte.
describe('when one bit of a notice is flipped (attack 3)', () => {
  it('is refused, for random bytes of each file', async () => {
    const random = randomOfTest();
    const folder = await made(everything);
    for (const path of pathsIn(folder)) {
      const place = join(folder, path);
      const bytes = readFileSync(place);
      for (let flip = 0; flip < 12; flip += 1) {
        const at = Math.floor(random() * bytes.length);
        writeFileSync(place, flipped(bytes, at));
        const code = await admitted(folder).then(
          () => 'admitted',
          (error: unknown) => (error instanceof StowageError ? error.code : String(error)),
        );
        expect(code, `${path} at ${at}`).not.toBe('admitted');
      }
      writeFileSync(place, bytes);
    }
    await admitted(folder);
  });
});

type Tampered = readonly [what: string, code: ErrorCode, tamper: (folder: string) => void];

const tampered: readonly Tampered[] = [
  ['a file too many', 'file-unexpected', (f) => writeFileSync(join(f, 'extra'), 'x')],
  [
    'a part of a bundle (attack 149)',
    'file-unexpected',
    (f) => {
      mkdirSync(join(f, 'blobs/sha256'), { recursive: true });
      writeFileSync(join(f, 'blobs/sha256', 'a'.repeat(64)), 'x');
    },
  ],
  ['a document missing', 'part-missing', (f) => rmSync(join(f, 'documents/recall-1.json'))],
  ['no list', 'bundle-absent', (f) => rmSync(join(f, 'SHA512SUMS'))],
  ['no index', 'part-missing', (f) => rmSync(join(f, 'notice.json'))],
  [
    'no signature (attack 1)',
    'signature-missing',
    (f) => rmSync(join(f, 'signatures'), { recursive: true }),
  ],
  [
    'a link in place of a document (attack 89)',
    'file-kind',
    (f) => {
      rmSync(join(f, 'documents/recall-1.json'));
      symlinkSync('../VERIFY.txt', join(f, 'documents/recall-1.json'));
    },
  ],
  [
    'a signature of 1 MB (attack 30)',
    'signature-malformed',
    (f) => writeFileSync(join(f, 'signatures/signer-0.p7s'), Buffer.alloc(1_000_000)),
  ],
  [
    'a list of 10 MB (attack 78)',
    'checksums-malformed',
    (f) => writeFileSync(join(f, 'SHA512SUMS'), Buffer.alloc(10_000_000, 'a')),
  ],
  [
    'an index that is too large',
    'index-malformed',
    (f) => writeFileSync(join(f, 'notice.json'), Buffer.alloc(2_000_000, ' ')),
  ],
];

describe('when the folder of a notice was tampered with', () => {
  it.each(tampered)('refuses %s: %s', async (_, code, tamper) => {
    const folder = await made();
    tamper(folder);
    await expectCode(() => admitted(folder), code);
  });

  it('refuses the signature of another notice (attack 26)', async () => {
    const [one, two] = [await made(), await made({ serial: 2 })];
    const path = 'signatures/signer-0.p7s';
    writeFileSync(join(one, path), readFileSync(join(two, path)));
    await expectCode(() => admitted(one), 'signature-invalid');
  });
});

type Wrong = readonly [what: string, code: ErrorCode, options: Partial<SmallNoticeOptions>];
const outsider = makeParty('vendor');

const wrong: readonly Wrong[] = [
  ['by an attacker with the same name (attack 31)', 'signer-untrusted', { by: [outsider.signer] }],
  ['by the approver alone', 'threshold-unmet', { by: [approver.signer] }],
  [
    'with a bad signer beside a good one (attack 16)',
    'certificate-invalid',
    { by: [trust.vendor.signer, trust.vendor.root] },
  ],
  [
    'whose promotion lacks its approval',
    'signature-missing',
    { documents: [promotionOf({ approval: true })] },
  ],
  [
    'whose promotion was approved by who released it',
    'threshold-unmet',
    { documents: [promotionOf({}, trust.vendor.signer)] },
  ],
  [
    'whose promotion was approved by an attacker (attack 163)',
    'signer-untrusted',
    { documents: [promotionOf({}, outsider.signer)] },
  ],
  [
    'whose recall is none',
    'index-malformed',
    { documents: [{ content: 'recall', bytes: Buffer.from('{}'), signatures: [] }] },
  ],
  [
    'whose recall has a field too many (attack 69)',
    'index-malformed',
    {
      documents: [
        {
          ...recallOf(),
          bytes: canonicalBytes({ ...JSON.parse(recallOf().bytes.toString()), relax: true }),
        },
      ],
    },
  ],
  [
    'whose recall is of a newer version (attack 145)',
    'format-newer',
    {
      documents: [
        {
          ...recallOf(),
          bytes: canonicalBytes({
            ...JSON.parse(recallOf().bytes.toString()),
            schema: 'stowage/recall-order/v2',
          }),
        },
      ],
    },
  ],
  [
    'whose advisory has no date',
    'index-malformed',
    {
      documents: [
        { ...advisoryOf(), bytes: canonicalBytes({ bomFormat: 'CycloneDX', vulnerabilities: [] }) },
      ],
    },
  ],
  [
    'of a newer version (attack 145)',
    'format-newer',
    { index: (notice) => ({ ...notice, schema: 'stowage/notice/v2' }) },
  ],
  [
    'with an unknown field (attack 69)',
    'index-malformed',
    { index: (n) => ({ ...n, force: true }) },
  ],
  ['without documents', 'index-malformed', { index: (n) => ({ ...n, documents: [] }) }],
  [
    'with a path that leaves its folder (attack 80)',
    'index-malformed',
    { index: (n) => withDocument(n, { path: '../recall-1.json' }) },
  ],
  [
    'with a document that claims another kind',
    'index-malformed',
    { index: (n) => withDocument(n, { content: 'trust' }) },
  ],
  [
    'whose lists disagree (attack 75)',
    'index-mismatch',
    { bend: (files) => void files.set('documents/recall-2.json', Buffer.from('x')) },
  ],
  [
    'with the index of a bundle on its list (attack 149)',
    'index-mismatch',
    { bend: (files) => void files.set('bundle.json', Buffer.from('{}')) },
  ],
  [
    'with a trust document that nobody signed (attack 49)',
    'signature-missing',
    { chain: trust.links.map((each) => ({ ...each, signatures: [] })) },
  ],
];

function withDocument(notice: Notice, values: object): object {
  return { ...notice, documents: notice.documents.map((each) => ({ ...each, ...values })) };
}

describe('when a notice is wrong and signed', () => {
  it.each(wrong)('refuses one %s: %s', async (_, code, options) => {
    const folder = await made(options);
    await expectCode(() => admitted(folder), code);
  });
});

describe('when a site judges a notice', () => {
  const last = { issuer: 'works', serial: 5, notice: 'a'.repeat(128) };

  it.each<[string, ErrorCode, Partial<SmallNoticeOptions>]>([
    [
      'older than the newest of its issuer (attack 149: replayed)',
      'release-rollback',
      { serial: 4 },
    ],
    ['with the serial of another (attack 54)', 'release-equivocation', { serial: 5 }],
    ['too far ahead (attack 55)', 'release-leap', { serial: 6 + MAX_SEQ_STEP }],
    ['for other sites (attack 61)', 'release-foreign', { serial: 6, sites: ['bunker', 'mine'] }],
  ])('refuses one %s: %s', async (_, code, options) => {
    const folder = await made(options);
    await expectCode(() => admitted(folder, { notices: [last] }), code);
  });

  it.each<[string, Partial<SmallNoticeOptions>]>([
    ['with the next serial', { serial: 6 }],
    ['for several sites with this one', { serial: 6, sites: ['bunker', 'vault'] }],
    ['of another issuer, that counts by itself', { serial: 1, issuer: 'other' }],
  ])('accepts one %s', async (_, options) => {
    expect((await admitted(await made(options), { notices: [last] })).known).toBe(false);
  });

  it('knows the newest one again', async () => {
    const folder = scratch.fresh('notice');
    const { id } = await smallNotice({ authority, folder, serial: 5 });
    const found = await admitted(folder, { notices: [{ ...last, notice: id }] });
    expect(found.known).toBe(true);
  });

  it('requires the approval of a promotion that does not ask for it, if the site does', async () => {
    const folder = await made({ documents: [promotionOf()] });
    await admitted(folder);
    await expectCode(() => admitted(folder, { requireApproval: true }), 'signature-missing');
  });

  it('refuses one whose signature is too old, unless a person accepted it', async () => {
    const folder = await made({ chain: trust.links });
    const now = (): Date => new Date(packedAt.getTime() + 200 * 86_400_000);
    const old = { ...context({ now }), trust: trust.pinned };
    await expectCode(() => admitNotice(folder, { ...old, policy }), 'release-expired');
    await admitNotice(folder, { ...old, policy: { ...policy, acceptAge: 'tape was late' } });
  });
});
