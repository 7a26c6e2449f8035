import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NoticeInput } from '../../../src/bundle/notice/make-notice.ts';
import { canonicalBytes } from '../../../src/core/json.ts';
import { writeCanonical } from '../../../src/format/document.ts';
import { type Plan, planKind } from '../../../src/format/plan.ts';
import type { Receipt } from '../../../src/format/receipt.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import { applyPlan, install } from '../../../src/site/applying/change-release.ts';
import { writeStatement } from '../../../src/site/applying/statement.ts';
import { currentGeneration } from '../../../src/site/generations.ts';
import { type ImportOptions, importBundle } from '../../../src/site/importing/import.ts';
import { type ImportedNotice, importNotice } from '../../../src/site/importing/import-notice.ts';
import { readLedger } from '../../../src/site/ledger/site-ledger.ts';
import { type SiteState, stateOf } from '../../../src/site/ledger/site-state.ts';
import { approvalsIn, siteAdvisories } from '../../../src/site/notices.ts';
import { readPlan } from '../../../src/site/planning/plan-approval.ts';
import { propose } from '../../../src/site/planning/propose.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { withdrawnNow } from '../../../src/site/status.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import {
  advisoryOf,
  noticeAuthority,
  promotionOf,
  type SmallNoticeOptions,
  signedBy,
  smallNotice,
} from '../../support/small-notice.ts';

const scratch = scratchFolder(true);
const authority = noticeAuthority();
const { trust, approver } = authority;
const { root, signer } = trust.vendor;
const vendor = { root: root.certificate, signer, trust: trust.pinned };
let one: SmallBundle;
let two: SmallBundle;

beforeAll(async () => {
  const shape = { authority: vendor, services: [] };
  one = await smallBundle({ ...shape, place: scratch.fresh() });
  two = await smallBundle({
    ...{ ...shape, place: scratch.fresh(), version: '1.1.0', seq: 2, channel: 'candidate' },
  });
});

const SETTINGS = 'apiVersion: stowage/v1\nname: vault\n';

function newSite(settings = SETTINGS): ImportOptions {
  const site = new SiteFolder(scratch.fresh('site'));
  mkdirSync(site.root);
  writeFileSync(site.path('site.yaml'), settings);
  return { ...context(), site, target: fakeTarget(), trust: trust.pinned };
}

async function made(options: Partial<SmallNoticeOptions> = {}): Promise<string> {
  const folder = scratch.fresh('notice');
  await smallNotice({ authority, folder, ...options });
  return folder;
}

const take = (folder: string, options: ImportOptions): Promise<ImportedNotice> =>
  withSite(options, (ledger) => importNotice(folder, ledger, options));

const bring = (folder: string, options: ImportOptions) =>
  withSite(options, (ledger) => importBundle(folder, ledger, options));

async function stateAt({ site }: ImportOptions): Promise<SiteState> {
  return stateOf((await readLedger(site)).entries);
}

const kindsIn = async ({ site }: ImportOptions): Promise<string[]> =>
  (await readLedger(site)).entries.map(({ event }) => event.kind);

describe('when a site imports a notice', () => {
  it('records a recall, and refuses and reports what is recalled', async () => {
    const opened = newSite();
    await install(one.folder, opened);
    const { recalls, known } = await take(await made(), opened);
    expect([recalls.length, known]).toEqual([1, false]);
    expect((await withdrawnNow(opened.site, opened.now())).recalled).toMatchObject([
      { name: 'chat', version: '1.0.0', reason: 'leaks prompts' },
    ]);
    expect((await currentGeneration(opened.site)).number).toBe(1);
    expect(await kindsIn(opened)).toEqual([
      ...['trusted', 'accepted', 'command', 'recalled', 'noticed'],
    ]);
    const other = newSite();
    await take(await made(), other);
    await expectCode(() => bring(one.folder, other), 'release-recalled');
  });

  it('pins the newest trust document of its chain', async () => {
    const later = noticeAuthority();
    later.trust.issue({
      trust: { ...later.trust.pinned, version: 2, seqFloor: { 'chat/stable': 7 } },
    });
    const opened = { ...newSite(), trust: later.trust.pinned };
    const folder = await made({ authority: later, chain: later.trust.links });
    expect((await take(folder, opened)).trust).toBe(2);
    expect((await opened.site.trust())?.version).toBe(2);
  });

  it('lets a release in that was promoted to its channel, and no other', async () => {
    const opened = newSite();
    await expectCode(() => bring(two.folder, opened), 'release-foreign');
    await take(await made({ documents: [promotionOf({ bundle: 'c'.repeat(128) })] }), opened);
    await expectCode(() => bring(two.folder, opened), 'release-foreign');
    await take(await made({ documents: [promotionOf({ bundle: two.id })], serial: 2 }), opened);
    await bring(two.folder, opened);
    await install(two.folder, opened);
    expect((await currentGeneration(opened.site)).releases).toMatchObject([{ version: '1.1.0' }]);
  });

  it('installs at a site that follows a channel only what this channel has', async () => {
    const opened = newSite(`${SETTINGS}channels: [candidate]\nchannel: stable\n`);
    await bring(two.folder, opened);
    const error = await expectCode(() => install(two.folder, opened), 'release-foreign');
    expect([error.expected, error.found]).toEqual([
      'channel stable has release chat 1.1.0',
      'it is in candidate',
    ]);
    await take(await made({ documents: [promotionOf({ bundle: two.id })] }), opened);
    await install(two.folder, opened);
    expect((await currentGeneration(opened.site)).releases).toMatchObject([{ version: '1.1.0' }]);
  });

  it('keeps advisories, and knows the newest of each component by its date', async () => {
    const opened = newSite();
    const late = advisoryOf('2026-11-20T00:00:00Z', ['CVE-2026-2']);
    await take(await made({ documents: [late] }), opened);
    await take(await made({ documents: [advisoryOf()], serial: 2 }), opened);
    const { entries } = await readLedger(opened.site);
    expect(await siteAdvisories(opened.site, entries)).toMatchObject([
      { at: '2026-11-20T00:00:00Z', about: 'chat 1.0.0', serial: 1 },
    ]);
  });

  it('keeps what a scanner found beside what a person wrote later of the same bundle', async () => {
    const opened = newSite();
    const about = (at: string, tools: object): NoticeInput => {
      const hashes = [{ alg: 'SHA-512', content: one.id }];
      const metadata = { timestamp: at, component: { name: 'chat', version: '1.0.0', hashes } };
      const value = { bomFormat: 'CycloneDX', vulnerabilities: [] };
      const document = { ...value, metadata: { ...metadata, ...tools } };
      return { content: 'advisory', bytes: canonicalBytes(document), signatures: [] };
    };
    const scanned = about('2026-11-19T00:00:00Z', { tools: { components: [{ name: 'grype' }] } });
    const written = about('2026-11-20T00:00:00Z', {});
    await take(await made({ documents: [scanned, written] }), opened);
    const { entries } = await readLedger(opened.site);
    expect(await siteAdvisories(opened.site, entries)).toMatchObject([
      { at: '2026-11-20T00:00:00Z' },
      { at: '2026-11-19T00:00:00Z', scanner: 'grype' },
    ]);
  });

  it('takes it once, and says so', async () => {
    const [opened, folder] = [newSite(), await made()];
    await take(folder, opened);
    const before = await kindsIn(opened);
    expect(await take(folder, opened)).toMatchObject({ known: true });
    expect(await kindsIn(opened)).toEqual(before);
  });

  it('names the newest of each issuer in its receipts', async () => {
    const opened = newSite();
    await take(await made(), opened);
    await take(await made({ serial: 4 }), opened);
    await take(await made({ issuer: 'other' }), opened);
    const receipt: Receipt = await writeStatement(opened);
    expect(receipt.schema).toBe('stowage/receipt/v4');
    expect(receipt.notices?.map(({ issuer, serial }) => `${issuer} ${serial}`).toSorted()).toEqual([
      ...['other 1', 'works 4'],
    ]);
  });

  it('refuses older, foreign and forged ones, and leaves nothing behind', async () => {
    const opened = newSite();
    await take(await made({ serial: 3 }), opened);
    const before = [await kindsIn(opened), readdirSync(opened.site.path('notices'))];
    const refused = [
      [{ serial: 2 }, 'release-rollback'],
      [{ documents: [advisoryOf()], serial: 3 }, 'release-equivocation'],
      [{ serial: 4, sites: ['bunker'] }, 'release-foreign'],
      [{ serial: 4, by: [approver.signer] }, 'threshold-unmet'],
    ] as const;
    for (const [options, code] of refused) {
      const folder = await made(options);
      await expectCode(() => take(folder, opened), code);
    }
    expect([await kindsIn(opened), readdirSync(opened.site.path('notices'))]).toEqual(before);
  });

  it('leaves no site behind where the first one is refused', async () => {
    const opened = newSite();
    const folder = await made({ sites: ['bunker'] });
    await expectCode(() => take(folder, opened), 'release-foreign');
    expect(readdirSync(opened.site.root)).toEqual(['site.yaml']);
  });

  it('remembers its signing time, so that the clock cannot go back before it', async () => {
    const opened = newSite();
    await take(await made(), opened);
    expect((await stateAt(opened)).floor).toBe('2026-11-21T10:00:00Z');
  });
});

describe('when a stored notice was changed', () => {
  it('is not believed any more', async () => {
    const opened = newSite();
    await take(await made({ documents: [advisoryOf()] }), opened);
    const [name = ''] = readdirSync(opened.site.path('notices'));
    writeFileSync(opened.site.path('notices', name, 'documents/advisory-1.json'), '{}');
    const { entries } = await readLedger(opened.site);
    await expectCode(() => siteAdvisories(opened.site, entries), 'state-damaged');
  });

  it('is found if the ledger was restored from before it (attack 127)', async () => {
    const opened = newSite();
    await take(await made(), opened);
    const old = ['ledger', 'ledger.head'].map(
      (name) => [name, readFileSync(opened.site.path(name))] as const,
    );
    await take(await made({ serial: 2 }), opened);
    for (const [name, bytes] of old) writeFileSync(opened.site.path(name), bytes);
    await expectCode(() => readLedger(opened.site), 'state-damaged');
  });
});

describe('when an approval comes by notice', () => {
  async function planAt(opened: ImportOptions): Promise<Plan> {
    const state = await stateAt(opened);
    return propose({ intent: 'install', subject: one.id }, state, opened.now(), opened);
  }

  async function approved(plan: Plan, by = approver.signer): Promise<string> {
    const bytes = writeCanonical(planKind, plan);
    return made({ documents: [{ content: 'approval', bytes, signatures: signedBy(bytes, by) }] });
  }

  it('counts for the plan of the site, and for the plan that it carries', async () => {
    const opened = newSite(`${SETTINGS}requirePlanApproval: true\n`);
    await bring(one.folder, opened);
    const plan = await planAt(opened);
    const file = join(scratch.fresh('plan'), 'plan.json');
    mkdirSync(join(file, '..'));
    writeFileSync(file, writeCanonical(planKind, plan));
    await expectCode(async () => applyPlan(await readPlan(file), opened), 'plan-unapproved');
    const { approvals } = await take(await approved(plan), opened);
    const [{ digest, path } = { digest: '', path: '' }] = approvals;
    const { entries } = await readLedger(opened.site);
    expect(await approvalsIn(opened.site, entries, digest)).toHaveLength(1);
    expect((await readPlan(path)).approvals).toHaveLength(1);
    await applyPlan(await readPlan(file), opened);
    expect((await readLedger(opened.site)).entries.at(-1)?.event).toMatchObject({
      ...{ kind: 'command', outcome: 'kept', plan: digest },
      approvedBy: [expect.stringContaining('approver')],
    });
  });

  it('is refused by another key', async () => {
    const opened = newSite();
    await bring(one.folder, opened);
    const folder = await approved(await planAt(opened), trust.vendor.signer);
    await expectCode(() => take(folder, opened), 'threshold-unmet');
  });
});
