import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeStream } from '../../../src/bundle/stream/write-stream.ts';
import { openBundle } from '../../../src/cli/commands/open-bundle.ts';
import { MIB } from '../../../src/core/limits.ts';
import { allParts } from '../../../src/format/bundle.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import { verifyStore } from '../../../src/site/applying/verify-store.ts';
import {
  type Imported,
  importMedia,
  type MediaPlaces,
} from '../../../src/site/importing/import.ts';
import { releaseFolder } from '../../../src/site/release/release.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { pipe } from '../../support/streamed.ts';

const scratch = scratchFolder(true);
let first: SmallBundle;
let second: SmallBundle;

beforeAll(async () => {
  const place = scratch.fresh();
  first = await smallBundle({ place, partSize: 4 * MIB, installer: true });
  const { authority } = first;
  // The same installers.
  const installer = join(place, 'installers');
  second = await smallBundle({
    ...{ place: scratch.fresh(), partSize: 4 * MIB, installer },
    ...{ authority, version: '2.0.0', seq: 2 },
  });
});

async function take(
  site: SiteFolder,
  places: MediaPlaces,
  warnings: string[] = [],
): Promise<Imported> {
  const opened = {
    ...context({
      emit: (event) => {
        if (event.type === 'warning') warnings.push(event.message);
      },
    }),
    ...{ site, target: fakeTarget(), trust: first.trust },
  };
  return withSite(opened, (ledger) => importMedia(places, ledger, opened));
}

const installer = ({ bundle }: SmallBundle): string => bundle.installers?.[0]?.path ?? '';

/** The stream of a bundle that leaves the installer out. */
async function streamWithout(bundle: SmallBundle): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const keep = async (bytes: Uint8Array): Promise<void> => void chunks.push(Buffer.from(bytes));
  const omitted = new Set([installer(bundle)]);
  await writeStream({ ...(await openBundle(bundle.folder)), omitted }, keep, context());
  return Buffer.concat(chunks);
}

/** A copy of a bundle in which one bit of the installer is wrong. */
function damaged(bundle: SmallBundle): string {
  const folder = scratch.copy(bundle.folder);
  flipBit(join(folder, installer(bundle)), 3);
  return folder;
}

describe('when a site has the installer of a release', () => {
  it('completes a stream without it, and warns of nothing', async () => {
    const site = new SiteFolder(scratch.fresh('site'));
    await take(site, [first.folder]);
    const warnings: string[] = [];
    const { partial } = await take(site, pipe(await streamWithout(second)), warnings);
    expect([partial, warnings]).toEqual([undefined, []]);
  });

  it.each([
    ['of that release', () => first],
    ['of the next release', () => second],
  ])('does not need the one on damaged media %s', async (_, wanted) => {
    const site = new SiteFolder(scratch.fresh('site'));
    await take(site, [first.folder]);
    const warnings: string[] = [];
    const { partial } = await take(site, [damaged(wanted())], warnings);
    expect(partial).toBeUndefined();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/stowage-linux.*is damaged.*; copied from this site$/);
    expect(readdirSync(site.path('staging'))).toEqual([]);
  });
});

describe('when a release has an installer for another platform', () => {
  let other: SmallBundle;
  let site: SiteFolder;
  const kept = (): string => join(releaseFolder(site, other.id), installer(other));

  beforeAll(async () => {
    const platform = process.arch === 'x64' ? 'linux/arm64' : 'linux/amd64';
    other = await smallBundle({
      ...{ place: scratch.fresh(), partSize: 4 * MIB, installer: true, platform },
      ...{ images: false, authority: first.authority },
    });
  });

  beforeEach(() => {
    site = new SiteFolder(scratch.fresh('site'));
  });

  it('is imported from a stream without it, with no warning', async () => {
    const warnings: string[] = [];
    const { partial } = await take(site, pipe(await streamWithout(other)), warnings);
    expect([partial, warnings]).toEqual([undefined, []]);
  });

  it('keeps nothing of one that was damaged on the media, if the next lack it', async () => {
    await expectCode(() => take(site, [damaged(other)]), 'part-damaged');
    expect((await take(site, pipe(await streamWithout(other)))).partial).toBeUndefined();
    expect(existsSync(kept())).toBe(false);
  });

  it('keeps no copy of one that rotted at the site', async () => {
    await take(site, [other.folder]);
    flipBit(kept(), 3);
    expect((await verifyStore({ ...context(), site, target: fakeTarget() })).changedFiles).toEqual([
      kept(),
    ]);
    expect((await take(site, pipe(await streamWithout(other)))).partial).toBeUndefined();
    expect(existsSync(kept())).toBe(false);
    await take(site, [other.folder]);
    expect((await verifyStore({ ...context(), site, target: fakeTarget() })).changedFiles).toEqual(
      [],
    );
  });

  it('takes it from a later medium than the first', async () => {
    const lacking = scratch.copy(other.folder);
    rmSync(join(lacking, installer(other)));
    const [part] = allParts(other.bundle);
    rmSync(join(lacking, part?.path ?? ''));
    expect((await take(site, [lacking])).partial?.missing).toHaveLength(1);
    expect((await take(site, [other.folder])).partial).toBeUndefined();
    expect(existsSync(kept())).toBe(true);
  });
});

describe('when no release of a site has the installer', () => {
  it('does not import a release whose installer is damaged on the media', async () => {
    const site = new SiteFolder(scratch.fresh('site'));
    await expectCode(() => take(site, [damaged(first)]), 'part-damaged');
    expect((await take(site, [first.folder])).partial).toBeUndefined();
  });
});
