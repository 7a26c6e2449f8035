import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { sriHex, sriOf } from '../../../src/core/digest.ts';
import { writeCanonical } from '../../../src/format/document.ts';
import type { LedgerEvent, LedgerHead } from '../../../src/format/ledger.ts';
import { generationKind } from '../../../src/format/plan.ts';
import { receiptKind } from '../../../src/format/receipt.ts';
import { trustBytes } from '../../../src/format/trust.ts';
import { writeAtomic } from '../../../src/io/file.ts';
import { emptyGeneration } from '../../../src/site/generations.ts';
import { openLedger, readLedger } from '../../../src/site/ledger/site-ledger.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { makeAuthority } from '../../support/small-bundle.ts';

const now = new Date('2026-11-21T10:00:00Z');
const { trust } = makeAuthority();
const event: LedgerEvent = {
  kind: 'trusted',
  version: 1,
  digest: sriHex(sriOf(trustBytes(trust))),
};
const scratch = scratchFolder(true);
const both = [openLedger, readLedger];
let site: SiteFolder;

beforeEach(async () => {
  site = new SiteFolder(scratch.fresh('site'));
  await site.prepare();
});

function putReceipt(name: string, ledger: LedgerHead): void {
  const receipt = {
    schema: 'stowage/receipt/v2',
    site: 'here',
    at: '2026-11-21T10:00:00Z',
    tool: 'stowage 0.1.0',
    intent: 'install',
    outcome: 'kept',
    generation: 1,
    releases: [],
    generations: [],
    held: { blobs: 0, bytes: 0 },
    health: [],
    host: { platform: 'linux/amd64', kernel: '6.1', engine: 'podman 5', labels: {} },
    gates: [],
    ledger,
  } as const;
  writeFileSync(site.path('receipts', name), writeCanonical(receiptKind, receipt));
}

describe('when a site is new', () => {
  it('begins with an empty ledger, also where there is no folder of receipts', async () => {
    for (const open of both) expect((await open(site)).head.number).toBe(0);
    rmSync(site.path('receipts'), { recursive: true });
    for (const open of both) expect((await open(site)).head.number).toBe(0);
  });
});

describe('when a site remembers something', () => {
  it('gives its ledger to append to, and to look at', async () => {
    const ledger = await openLedger(site);
    await ledger.append(event, now);
    await site.pinTrust(trust);
    putReceipt('1.json', ledger.head);
    for (const open of both) expect((await open(site)).head).toEqual(ledger.head);
  });

  it('writes nothing when it only looks', async () => {
    await readLedger(site);
    expect(existsSync(site.path('ledger.head'))).toBe(false);
  });

  it('refuses a site that trusts someone and has no ledger', async () => {
    writeFileSync(site.path('trust.json'), '{}');
    for (const open of both) await expectCode(() => open(site), 'state-damaged');
  });

  it('refuses a ledger that does not reach what one of its receipts saw', async () => {
    const ledger = await openLedger(site);
    await ledger.append(event, now);
    for (const name of ['ledger', 'ledger.head'])
      copyFileSync(site.path(name), site.path(`${name}.old`));
    putReceipt('1.json', ledger.head);
    await ledger.append(event, now);
    putReceipt('2.json', ledger.head);
    for (const name of ['ledger', 'ledger.head'])
      copyFileSync(site.path(`${name}.old`), site.path(name));
    for (const open of both) await expectCode(() => open(site), 'state-damaged');
    rmSync(site.path('receipts/2.json'));
    for (const open of both) expect((await open(site)).head.number).toBe(1);
  });
});

describe('when receipts are not what they should be', () => {
  it('passes over what is no receipt by its name, such as its signature', async () => {
    writeFileSync(site.path('receipts', '1.json.p7s'), 'DER');
    for (const open of both) expect((await open(site)).head.number).toBe(0);
  });

  it('refuses one that was edited', async () => {
    writeFileSync(site.path('receipts', '1.json'), '{}');
    for (const open of both) await expectCode(() => open(site), 'document-invalid');
  });

  it('says that it cannot read them', async () => {
    rmSync(site.path('receipts'), { recursive: true });
    writeFileSync(site.path('receipts'), '');
    for (const open of both) await expectCode(() => open(site), 'file-missing');
    rmSync(site.path('receipts'));
    mkdirSync(site.path('receipts/1.json'), { recursive: true });
    for (const open of both) await expectCode(() => open(site), 'file-kind');
  });
});

describe('when an older ledger and its head were restored', () => {
  const newer: readonly (readonly [string, (place: SiteFolder) => Promise<void> | void])[] = [
    [
      'a release',
      (place) => {
        mkdirSync(place.path('releases', 'b'.repeat(32)), { recursive: true });
      },
    ],
    ['a generation', (place) => writeGeneration(place, 2)],
    [
      'the current generation',
      async (place) => {
        await writeGeneration(place, 1);
        symlinkSync('generations/1.json', place.path('current'));
      },
    ],
    ['a trust document', (place) => place.pinTrust({ ...trust, version: 2 })],
    ['a receipt', () => putReceipt('2.json', { number: 9, digest: 'c'.repeat(128) })],
  ];

  it.each(newer)('finds that %s is newer', async (_, add) => {
    await (await openLedger(site)).append(event, now);
    for (const open of both) await open(site);
    await add(site);
    for (const open of both) await expectCode(() => open(site), 'state-damaged');
  });

  it('allows what a killed command could not record', async () => {
    await (await openLedger(site)).append(event, now);
    mkdirSync(site.path('releases', 'b'.repeat(32)), { recursive: true });
    mkdirSync(site.path('staging', 'b'.repeat(128)), { recursive: true });
    await writeGeneration(site, 1);
    mkdirSync(site.path('apply'));
    writeFileSync(site.path('apply', 'plan.json'), '{}');
    for (const open of both) expect((await open(site)).head.number).toBe(1);
  });
});

async function writeGeneration(place: SiteFolder, number: number): Promise<void> {
  const bytes = writeCanonical(generationKind, { ...emptyGeneration, number });
  await writeAtomic(place.path('generations', `${number}.json`), bytes);
}
