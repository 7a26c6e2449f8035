import {
  cpSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { StowageError } from '../../src/core/error.ts';
import { MIB } from '../../src/core/limits.ts';
import { allParts, dataParts } from '../../src/format/bundle.ts';
import { withSite } from '../../src/site/applying/change.ts';
import { type Imported, importBundle, importMedia } from '../../src/site/importing/import.ts';
import { partialImports, repairListOf } from '../../src/site/importing/partial-import.ts';
import { readLedger } from '../../src/site/ledger/site-ledger.ts';
import { loadRelease, releaseFolder } from '../../src/site/release/release.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import { context, type ListeningContext } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { fakeTarget } from '../support/fake-engine.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';

const scratch = scratchFolder();
let made: SmallBundle;
let withParity: SmallBundle;
let anywhere: SmallBundle;

beforeAll(async () => {
  const common = { partSize: 4 * MIB, weights: 17 * MIB, crumbs: 12 };
  made = await smallBundle({
    place: scratch.fresh(),
    ...common,
    installer: true,
    discs: { size: 8 * MIB, parity: false },
  });
  const { authority } = made;
  withParity = await smallBundle({
    ...{ place: scratch.fresh(), authority, ...common, parity: 2 },
    discs: { size: 8 * MIB, parity: true },
  });
  anywhere = await smallBundle({ place: scratch.fresh(), authority, ...common, parity: 2 });
});

function newSite(): SiteFolder {
  return new SiteFolder(scratch.fresh('site'));
}

/** Imports what lies at these places, as the command does. */
function take(
  site: SiteFolder,
  bundle: SmallBundle,
  places: readonly string[],
  heard: ListeningContext = context(),
): Promise<Imported> {
  const options = { ...heard, site, target: fakeTarget(), trust: bundle.trust };
  return withSite(options, (ledger) => importMedia(places, ledger, options));
}

async function expectComplete(site: SiteFolder, bundle: SmallBundle): Promise<void> {
  expect((await loadRelease(site, bundle.id)).bundle).toEqual(bundle.bundle);
  const stored = readdirSync(site.path('store/blobs/sha256')).toSorted();
  expect(stored).toEqual(bundle.bundle.blobs.map((blob) => blob.digest.slice(7)).toSorted());
  expect(readdirSync(site.path('staging'))).toEqual([]);
  const kinds = (await readLedger(site)).entries.map((entry) => entry.event.kind);
  expect(kinds).toContain('accepted');
}

function flip(path: string, at = 0): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  rmSync(path);
  writeFileSync(path, bytes);
}

/** The path of a part of the weights on some disc of a folder. */
function weightsIn(folder: string, bundle: SmallBundle): { disc: string; path: string } {
  const digest = bundle.bundle.models[0]?.files[0]?.digest ?? '';
  for (const disc of readdirSync(folder)) {
    const place = join(folder, disc, 'blobs/sha256');
    const [name] = readdirSync(place).filter((each) => each.startsWith(digest.slice(7)));
    if (name !== undefined) return { disc: join(folder, disc), path: join(place, name) };
  }
  throw new Error('no weights');
}

describe('when a bundle is split across discs', () => {
  it('gives each disc all control files and consecutive parts', () => {
    const paths = made.discs.map((disc) =>
      readdirSync(disc, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(disc.length + 1)),
    );
    expect(made.discs.length).toBeGreaterThan(3);
    for (const each of paths)
      for (const { path } of [...made.bundle.control, ...(made.bundle.installers ?? [])])
        expect(each).toContain(path);
    const order = allParts(made.bundle).map((part) => part.path);
    const dealt = paths.flatMap((each) => order.filter((path) => each.includes(path)));
    expect(dealt).toEqual(order);
  });

  it('has the same list and signature on all', () => {
    for (const file of ['SHA512SUMS', 'signatures/release.p7s']) {
      const copies = made.discs.map((disc) => readFileSync(join(disc, file)).toString('hex'));
      expect(new Set(copies).size).toBe(1);
    }
  });
});

describe('when discs are imported', () => {
  it('names the disc in each step of admission if there are several', async () => {
    const [one = '', two = ''] = made.discs;
    const heard = context();
    await take(newSite(), made, [one, two], heard);
    const about = heard.events.flatMap((each) =>
      each.type === 'step' && each.step === 'signatures' ? [each.subject] : [],
    );
    expect(about).toEqual([basename(one), basename(two)]);
    const alone = context();
    await take(newSite(), made, [one], alone);
    const [step] = alone.events.filter((each) => each.type === 'step');
    expect(step).not.toHaveProperty('subject');
  });

  it('imports them one by one in any order, and accepts the release with the last', async () => {
    const site = newSite();
    const [first = '', ...others] = made.discs.toReversed();
    const one = await take(site, made, [first]);
    expect(one.partial?.discs).toMatchObject({ seen: [made.discs.length], of: made.discs.length });
    expect(one.partial?.discs.missing).toEqual(made.discs.slice(0, -1).map((_, at) => at + 1));
    const kinds = (await readLedger(site)).entries.map((entry) => entry.event.kind);
    expect(kinds).toEqual(['trusted']);
    expect(readdirSync(site.path('releases'))).toEqual([]);
    expect(await partialImports(site)).toEqual([one.partial]);
    for (const disc of others.slice(0, -1)) await take(site, made, [disc]);
    const last = await take(site, made, others.slice(-1));
    expect(last.partial).toBeUndefined();
    await expectComplete(site, made);
    const [installer] = made.bundle.installers ?? [];
    const kept = join(releaseFolder(site, made.id), installer?.path ?? '');
    expect(statSync(kept).mode & 0o777).toBe(0o755);
  });

  it('imports the folder that holds them all', async () => {
    const site = newSite();
    await take(site, made, [made.folder]);
    await expectComplete(site, made);
  });

  it('imports a disc twice, and discs of another split of the same bundle', async () => {
    const site = newSite();
    await take(site, made, [made.discs[0] ?? '', made.discs[0] ?? '']);
    const again = scratch.copy(made.folder);
    renameSync(join(again, basename(made.discs[1] ?? '')), join(again, 'disc-1-of-2'));
    await take(site, made, [join(again, 'disc-1-of-2')]);
    const rest = await take(site, made, made.discs.slice(2));
    expect(rest.partial).toBeUndefined();
    await expectComplete(site, made);
  });

  it('runs one import at a time, and both succeed', async () => {
    const site = newSite();
    const [one, two] = await Promise.allSettled([
      take(site, made, [made.folder]),
      take(site, made, [made.folder]),
    ]);
    const refused = [one, two].filter((each) => each.status === 'rejected');
    expect(refused).toHaveLength(1);
    expect(refused[0]?.reason).toMatchObject({ code: 'site-locked' });
    expect((await take(site, made, [made.folder])).partial).toBeUndefined();
    await expectComplete(site, made);
  });

  it('names the missing disc, also if all others were given', async () => {
    const site = newSite();
    const without = made.discs.filter((_, at) => at !== 2);
    const { partial } = await take(site, made, without);
    expect(partial?.discs).toMatchObject({ of: made.discs.length, missing: [3] });
  });

  it('fails with a code if the complete bundle is required', async () => {
    const site = newSite();
    const options = { ...context(), site, target: fakeTarget(), trust: made.trust };
    const error = await expectCode(
      () => withSite(options, (ledger) => importBundle(made.discs.slice(1), ledger, options)),
      'bundle-incomplete',
    );
    expect(error.expected).toMatch(/^disc 1 of \d+: \d+ parts/);
    expect(error.exitStatus).toBe(1);
  });
});

describe('when a disc has the wrong number in its name', () => {
  it('is imported by its content, and no number is reported', async () => {
    const site = newSite();
    const copy = scratch.copy(made.folder);
    const count = made.discs.length;
    renameSync(join(copy, `disc-1-of-${count}`), join(copy, 'aside'));
    renameSync(join(copy, `disc-2-of-${count}`), join(copy, `disc-1-of-${count}`));
    renameSync(join(copy, 'aside'), join(copy, `disc-2-of-${count}`));
    const two = [1, 2].map((number) => join(copy, `disc-${number}-of-${count}`));
    const { partial } = await take(site, made, two);
    expect(partial?.discs.missing).toEqual([]);
    await take(site, made, made.discs.slice(2));
    await expectComplete(site, made);
  });
});

describe('when a part on a disc is damaged', () => {
  it('names disc, content and range, imports everything else, and requests only that part', async () => {
    const site = newSite();
    const copy = scratch.copy(made.folder);
    const { disc, path } = weightsIn(copy, made);
    flip(path, 100);
    const error = await expectCode(() => take(site, made, [copy]), 'part-damaged');
    expect(error.message).toContain(`on ${basename(disc)}`);
    expect(error.message).toContain('model.safetensors of model tiny');
    expect(error.found).toMatch(/within 0-\d+ of the file/);
    const [partial] = await partialImports(site);
    if (partial === undefined) throw new Error('no partial import');
    expect(partial.missing.map((part) => basename(part.path))).toEqual([basename(path)]);
    const list = await repairListOf(site, partial);
    expect(list.parts[0]?.damaged).toMatchObject([{ offset: 0 }]);
    await take(site, made, [made.folder]);
    await expectComplete(site, made);
  });

  it('reads it from another given disc', async () => {
    const site = newSite();
    const copy = scratch.copy(made.folder);
    flip(weightsIn(copy, made).path);
    const heard = context();
    await take(site, made, [copy, made.folder], heard);
    await expectComplete(site, made);
    const warnings = heard.events.filter((event) => event.type === 'warning');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ message: expect.stringContaining('another disc') });
  });
});

describe('when recovery parts are on separate discs', () => {
  it('adds two discs, and rebuilds any two that are lost', async () => {
    const count = withParity.discs.length;
    const { columns, rows } = withParity.bundle.parity ?? { columns: [], rows: [] };
    expect(columns.length + rows.length).toBe(count);
    const lost: readonly (readonly [number, number])[] = [
      [1, columns.length - 1],
      [0, count - 1],
    ];
    for (const pair of lost) {
      const site = newSite();
      const kept = withParity.discs.filter((_, at) => !pair.includes(at));
      const { partial, rebuilt } = await take(site, withParity, kept);
      expect(partial).toBeUndefined();
      expect(rebuilt > 0).toBe(pair[0] < columns.length);
      await expectComplete(site, withParity);
    }
  });

  it('rebuilds when discs are imported one at a time, recovery discs first', async () => {
    const site = newSite();
    const order = withParity.discs.toReversed().filter((_, at) => at !== 3);
    let rebuilt = 0;
    for (const disc of order) rebuilt += (await take(site, withParity, [disc])).rebuilt;
    expect(rebuilt).toBeGreaterThan(0);
    await expectComplete(site, withParity);
  });

  it('reports what is missing when more is lost than can be rebuilt', async () => {
    const site = newSite();
    const { partial } = await take(site, withParity, withParity.discs.slice(3));
    expect(partial?.discs.missing).toEqual([1, 2, 3]);
    await take(site, withParity, withParity.discs.slice(0, 1));
    await expectComplete(site, withParity);
  });

  it('discards parts rebuilt from a forged recovery part (attack 103)', async () => {
    const site = newSite();
    const copy = scratch.copy(withParity.folder);
    const last = join(copy, basename(withParity.discs.at(-1) ?? ''), 'parity');
    for (const name of readdirSync(last)) flip(join(last, name));
    rmSync(join(copy, basename(withParity.discs[0] ?? '')), { recursive: true });
    rmSync(join(copy, basename(withParity.discs.at(-2) ?? '')), { recursive: true });
    const { partial } = await take(site, withParity, [copy]);
    expect(partial?.missing).not.toEqual([]);
    await take(site, withParity, withParity.discs.slice(0, 1));
    await expectComplete(site, withParity);
  });
});

describe('when recovery parts are in the same folder as the parts', () => {
  it('rebuilds any two damaged or missing parts', async () => {
    const parts = dataParts(anywhere.bundle).filter((part) => part.size > 0);
    for (const [a, b] of [
      [0, 1],
      [3, parts.length - 1],
    ] as const) {
      const site = newSite();
      const copy = scratch.copy(anywhere.folder);
      flip(join(copy, parts[a]?.path ?? ''));
      rmSync(join(copy, parts[b]?.path ?? ''));
      const heard = context();
      const { partial, rebuilt } = await take(site, anywhere, [copy], heard);
      expect({ partial, rebuilt }).toEqual({ partial: undefined, rebuilt: 2 });
      await expectComplete(site, anywhere);
    }
  });

  it('reads no recovery part when nothing is damaged', async () => {
    const site = newSite();
    const copy = scratch.copy(anywhere.folder);
    cpSync(join(copy, 'parity'), scratch.fresh('aside'), { recursive: true });
    for (const name of readdirSync(join(copy, 'parity'))) flip(join(copy, 'parity', name));
    const { partial } = await take(site, anywhere, [copy]);
    expect(partial).toBeUndefined();
    await expectComplete(site, anywhere);
  });

  it('names the damaged part when there are too few recovery parts (attack 102)', async () => {
    const site = newSite();
    const copy = scratch.copy(anywhere.folder);
    const digest = anywhere.bundle.models[0]?.files[0]?.digest.slice(7) ?? '';
    const names = readdirSync(join(copy, 'blobs/sha256')).filter((name) => name.startsWith(digest));
    for (const name of names.slice(0, 4)) flip(join(copy, 'blobs/sha256', name));
    const error = await take(site, anywhere, [copy]).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(StowageError);
    expect(error).toMatchObject({ code: 'part-damaged' });
    expect(readdirSync(site.path('releases'))).toEqual([]);
  });
});
