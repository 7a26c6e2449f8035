import { existsSync, rmSync, truncateSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeStream } from '../../../src/bundle/stream/write-stream.ts';
import { openBundle } from '../../../src/cli/commands/open-bundle.ts';
import { commonTo, incrementOf } from '../../../src/content/increment.ts';
import { MIB } from '../../../src/core/limits.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import {
  type Imported,
  type ImportOptions,
  importMedia,
} from '../../../src/site/importing/import.ts';
import { holdersOfMissing } from '../../../src/site/importing/partial-import.ts';
import { sumsOf } from '../../../src/site/release/release.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { entriesOf, pipe, tarOfEntries } from '../../support/streamed.ts';

const scratch = scratchFolder(true);
let first: SmallBundle;
let second: SmallBundle;
let tar: Buffer;

beforeAll(async () => {
  const shape = { partSize: 4 * MIB, weights: 9 * MIB, weightsOf: 'both' };
  first = await smallBundle({ ...shape, place: scratch.fresh() });
  const { authority } = first;
  second = await smallBundle({
    ...{ ...shape, place: scratch.fresh(), authority, version: '2.0.0', seq: 2 },
  });
  const blobs = new Set(first.bundle.blobs.map(({ digest }) => digest));
  const receiver = {
    site: 'vault',
    platform: 'linux/amd64',
    blobs,
    parts: new Set<never>(),
    unknown: [],
  };
  const { omitted } = incrementOf(second.bundle, commonTo([receiver]));
  const chunks: Buffer[] = [];
  const keep = async (bytes: Uint8Array): Promise<void> => void chunks.push(Buffer.from(bytes));
  await writeStream({ ...(await openBundle(second.folder)), omitted }, keep, context());
  tar = Buffer.concat(chunks);
});

const options = (site: SiteFolder): ImportOptions => ({
  ...context(),
  ...{ site, target: fakeTarget(), trust: first.trust },
});

async function take(site: SiteFolder, bytes: Buffer): Promise<Imported> {
  const opened = options(site);
  return withSite(opened, (ledger) => importMedia(pipe(bytes), ledger, opened));
}

/** A site that stores the first bundle. */
async function stored(): Promise<SiteFolder> {
  const site = new SiteFolder(scratch.fresh('site'));
  const opened = options(site);
  await withSite(opened, (ledger) => importMedia([first.folder], ledger, opened));
  return site;
}

const weights = (site: SiteFolder): string => {
  const digest = second.bundle.models[0]?.files[0]?.digest;
  if (digest === undefined) throw new Error('no weights');
  return site.store.path(digest);
};

describe('when an increment arrives through a pipe', () => {
  it('is smaller than the weights, and completed from the store', async () => {
    expect(tar.length).toBeLessThan(MIB);
    const site = await stored();
    expect((await take(site, tar)).partial).toBeUndefined();
    // Twice.
    expect((await take(site, tar)).partial).toBeUndefined();
  });

  it('counts no blob that rotted, even if its file looks unchanged, and is completed by the whole', async () => {
    const site = await stored();
    flipBit(weights(site), 5 * MIB);
    // A disk changes no time of the file, so its record still holds.
    const blob = second.bundle.blobs.find(
      ({ digest }) => site.store.path(digest) === weights(site),
    );
    if (blob === undefined) throw new Error('no weights');
    await site.store.note(blob, sumsOf(second.bundle, blob));
    const { partial } = await take(site, tar);
    if (partial === undefined) throw new Error('complete');
    expect(partial.missing.map(({ offset }) => offset)).toEqual([4 * MIB]);
    expect(await holdersOfMissing(site, partial)).toEqual(['chat 1.0.0']);
    const opened = options(site);
    const whole = await withSite(opened, (ledger) => importMedia([second.folder], ledger, opened));
    expect(whole.partial).toBeUndefined();
  });

  it.each<[string, (path: string) => void]>([
    ['missing', (path) => rmSync(path)],
    ['cut short', (path) => truncateSync(path, 9)],
  ])('names every part of a blob that is %s at the site', async (_, damage) => {
    const site = await stored();
    damage(weights(site));
    const error = await expectCode(() => take(site, tar), 'part-missing');
    expect(error.message).toContain('and 2 more');
    expect(error.defects.join('\n')).toContain('model.safetensors');
  });

  it('is refused at a site that has none of it, and resumed there by the whole', async () => {
    const site = new SiteFolder(scratch.fresh('site'));
    await expectCode(() => take(site, tar), 'part-missing');
    const opened = options(site);
    const whole = await withSite(opened, (ledger) => importMedia([second.folder], ledger, opened));
    expect(whole.partial).toBeUndefined();
  });

  it('is refused if a part is there twice', async () => {
    const entries = entriesOf(tar);
    const last = entries.at(-1);
    if (last === undefined) throw new Error('no entries');
    const site = await stored();
    await expectCode(() => take(site, tarOfEntries([...entries, last])), 'stream-refused');
    expect(existsSync(site.path('releases', second.id.slice(0, 32)))).toBe(false);
  });
});
