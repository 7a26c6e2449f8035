import { rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readReceipt } from '../../../src/bundle/receipt.ts';
import type { Digest } from '../../../src/core/digest.ts';
import { writeCanonical } from '../../../src/format/document.ts';
import { type Receipt, receiptKind } from '../../../src/format/receipt.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import { install } from '../../../src/site/applying/change-release.ts';
import { collect } from '../../../src/site/applying/collect.ts';
import { forgetRelease } from '../../../src/site/applying/forget-release.ts';
import { writeStatement } from '../../../src/site/applying/statement.ts';
import { verifyStore } from '../../../src/site/applying/verify-store.ts';
import { importBundle } from '../../../src/site/importing/import.ts';
import { newestReceipt } from '../../../src/site/receipts/receipt.ts';
import { releaseFolder } from '../../../src/site/release/release.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { hostPlatform } from '../../../src/target/host/platform.ts';
import { context } from '../../support/context.ts';
import { type FakeTarget, fakeTarget } from '../../support/fake-engine.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';

const scratch = scratchFolder(true);
let first: SmallBundle;
let second: SmallBundle;
let third: SmallBundle;

beforeAll(async () => {
  first = await smallBundle({ place: scratch.fresh(), installer: true });
  const { authority } = first;
  second = await smallBundle({
    ...{ place: scratch.fresh(), authority, version: '2.0.0', seq: 2, installer: true },
  });
  third = await smallBundle({ place: scratch.fresh(), authority, version: '3.0.0', seq: 3 });
});

interface Opened extends ReturnType<typeof context> {
  readonly site: SiteFolder;
  readonly target: FakeTarget;
}

/** A site that installed the first and the second bundle, and imported the third. */
async function opened(): Promise<Opened> {
  const options = {
    ...context(),
    site: new SiteFolder(scratch.fresh('site')),
    target: fakeTarget(),
  };
  for (const each of [first, second]) await install(each.folder, { ...options, trust: each.trust });
  await withSite(options, (ledger) =>
    importBundle(third.folder, ledger, { ...options, trust: third.trust }),
  );
  return options;
}

function uses({ holds }: Receipt): string[] {
  return (holds?.bundles ?? []).map(({ version, use }) => `${version} ${use}`);
}

describe('when a receipt says what a site stores', () => {
  it('lists the bundles that are complete and how each is used, the installers, and the free space', async () => {
    const options = await opened();
    const receipt = await writeStatement(options);
    expect(uses(receipt)).toEqual(['2.0.0 running', '1.0.0 kept', '3.0.0 imported']);
    expect(receipt.holds?.bundles.map(({ bundle }) => bundle)).toEqual([
      ...[second.id, first.id, third.id],
    ]);
    expect(receipt.holds?.installers).toEqual(
      [second, first].map(({ bundle }) => ({
        platform: hostPlatform(),
        sha512: bundle.installers?.[0]?.sha512,
      })),
    );
    expect(receipt.holds?.free).toBeGreaterThan(0);
    expect(receipt.holds).not.toHaveProperty('heldUntil');
    expect(receipt.schema).toBe('stowage/receipt/v4');
    const { receipt: read } = await readReceipt(await newestReceipt(options.site));
    expect(read).toEqual(receipt);
  });

  it.each<[string, (site: SiteFolder, path: string) => unknown]>([
    ['missing', (_, path) => rmSync(path)],
    ['cut short', (_, path) => truncateSync(path, 1)],
  ])('leaves out a bundle of which a blob is %s', async (_name, damage) => {
    const options = await opened();
    damage(options.site, options.site.store.path(weights(third)));
    expect(uses(await writeStatement(options))).toEqual(['2.0.0 running', '1.0.0 kept']);
  });

  it('leaves out a bundle of which the last verification found a blob damaged', async () => {
    const options = await opened();
    flipBit(options.site.store.path(weights(third)));
    expect(uses(await writeStatement(options))).toContain('3.0.0 imported');
    await verifyStore(options);
    expect(uses(await writeStatement(options))).toEqual(['2.0.0 running', '1.0.0 kept']);
  });

  it('lists no installer that is not there', async () => {
    const options = await opened();
    for (const { id } of [first, second])
      for (const { path } of first.bundle.installers ?? [])
        rmSync(join(releaseFolder(options.site, id), path));
    expect((await writeStatement(options)).holds?.installers).toEqual([]);
  });

  it('is written without the list if a generation cannot be read', async () => {
    const options = await opened();
    writeFileSync(options.site.path('generations', '1.json'), '{}');
    expect(await writeStatement(options)).not.toHaveProperty('holds');
  });

  it('stays below 6 kB for ten bundles', async () => {
    const options = await opened();
    const receipt = await writeStatement(options);
    const [bundle] = receipt.holds?.bundles ?? [];
    if (receipt.holds === undefined || bundle === undefined) throw new Error('nothing is held');
    const ten = { ...receipt.holds, bundles: Array.from({ length: 10 }, () => bundle) };
    expect(writeCanonical(receiptKind, { ...receipt, holds: ten }).length).toBeLessThan(6_000);
  });
});

describe('when a receipt promises to keep what it lists', () => {
  const days = (count: number): (() => Date) => {
    const at = context().now().getTime() + count * 86_400_000;
    return () => new Date(at);
  };
  const collected = async (options: Opened, after: number): Promise<readonly string[]> =>
    (await collect({ ...options, now: days(after), keep: 0, incomplete: false, dryRun: false }))
      .releases;

  it('keeps it until then, and says so', async () => {
    const options = await opened();
    const { holds } = await writeStatement(options, 90);
    expect(holds?.heldUntil?.slice(0, 10)).toBe(days(90)().toISOString().slice(0, 10));
    const dry = await collect({ ...options, keep: 0, incomplete: false, dryRun: true });
    expect(dry.releases).toEqual([]);
    expect(dry.held).toContainEqual(
      expect.objectContaining({ release: 'chat 1.0.0', by: 'promised', until: holds?.heldUntil }),
    );
    expect(await collected(options, 89)).toEqual([]);
    expect(await collected(options, 91)).toEqual(['chat 1.0.0']);
    expect(uses(await writeStatement(options))).toEqual(['2.0.0 running', '3.0.0 imported']);
  });

  it('says until when it promised to keep what a person removes', async () => {
    const options = await opened();
    const { holds } = await writeStatement(options, 90);
    const forgotten = { release: 'chat 1.0.0', promisedUntil: holds?.heldUntil };
    const removal = { ...options, dryRun: false };
    expect(await forgetRelease('chat@1.0.0', removal)).toMatchObject(forgotten);
    expect(await forgetRelease('chat@3.0.0', { ...removal, now: days(91) })).not.toHaveProperty(
      'promisedUntil',
    );
  });

  it('is not bound by a receipt that was changed', async () => {
    const options = await opened();
    await writeStatement(options, 90);
    const signature = (await newestReceipt(options.site)).replace(/json$/, 'p7s');
    flipBit(signature, statSync(signature).size - 10);
    expect(await collected(options, 1)).toEqual(['chat 1.0.0']);
  });
});

function weights({ bundle }: SmallBundle): Digest {
  const digest = bundle.models[0]?.files[0]?.digest;
  if (digest === undefined) throw new Error('no weights');
  return digest;
}
