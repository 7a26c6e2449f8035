import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { admit } from '../../../src/bundle/admission/admit.ts';
import type { AdmittedBundle } from '../../../src/bundle/admitted-bundle.ts';
import type { StowageEvent } from '../../../src/core/context.ts';
import { type Digest, digestHex, digestOf } from '../../../src/core/digest.ts';
import { MIB } from '../../../src/core/limits.ts';
import { type BundleBlob, bundleBytes } from '../../../src/format/bundle.ts';
import { type StagingResult, stage } from '../../../src/site/importing/stage.ts';
import { loadRelease } from '../../../src/site/release/release.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { flipBit } from '../../support/flip-bit.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { smallDisk } from '../../support/small-disk.ts';
import { tree } from '../../support/tree.ts';

const scratch = scratchFolder();
let large: SmallBundle;

beforeAll(async () => {
  large = await smallBundle({ place: scratch.fresh(), partSize: 4 * MIB, weights: 9 * MIB });
});

interface Staging {
  readonly admitted: AdmittedBundle;
  readonly site: SiteFolder;
}

async function prepared(root: string = scratch.fresh('site')): Promise<Staging> {
  const admitted = await admit(scratch.copy(large.folder), { ...context(), trust: large.trust });
  const site = new SiteFolder(root);
  await site.prepare();
  return { admitted, site };
}

function weightsOf({ bundle }: AdmittedBundle): BundleBlob {
  const digest = bundle.models[0]?.files[0]?.digest;
  const blob = bundle.blobs.find((each) => each.digest === digest);
  if (blob === undefined) throw new Error('no weights');
  return blob;
}

function flip(path: string): void {
  const bytes = readFileSync(path);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

function journalLines({ admitted, site }: Staging): string[] {
  const path = site.path('staging', admitted.id, 'journal');
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
}

/** Every blob that has its name has the right bytes and cannot be written. */
function expectOnlyRightBlobs({ site }: Staging): Digest[] {
  const folder = site.path('store/blobs/sha256');
  const names = existsSync(folder) ? readdirSync(folder) : [];
  for (const name of names) {
    const digest = `sha256:${name}` as Digest;
    expect(digestOf(readFileSync(join(folder, name)))).toBe(digest);
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o444);
  }
  return names.map((name) => `sha256:${name}` as Digest).toSorted();
}

async function expectStaged(staging: Staging): Promise<void> {
  const { admitted, site } = staging;
  expect(expectOnlyRightBlobs(staging)).toEqual(admitted.bundle.blobs.map((blob) => blob.digest));
  expect(await loadRelease(site, admitted.id)).toEqual({ id: large.id, bundle: large.bundle });
  expect(readdirSync(site.path('staging'))).toEqual([]);
  expect(readdirSync(site.path('releases'))).toEqual([admitted.id.slice(0, 32)]);
}

/** The codes of what was wrong with parts that are missing still. */
function faultsOf(staged: StagingResult): string[] {
  expect(staged.missing).not.toEqual([]);
  return staged.faults.map(({ error }) => error.code);
}

/** Stops staging when so many parts are done: by an interrupt, or by a part that is damaged. */
async function stopAfter(
  staging: Staging,
  parts: number,
  how: 'interrupt' | 'damage',
): Promise<void> {
  const { admitted, site } = staging;
  if (how === 'damage') {
    const all = admitted.bundle.blobs.flatMap((blob) => blob.parts).filter((part) => part.size > 2);
    const path = join(admitted.folder, all[parts]?.path ?? '');
    flip(path);
    expect(faultsOf(await stage(admitted, site, context()))).toEqual(['part-damaged']);
    flip(path);
    return;
  }
  const heard = context();
  const emit = (event: StowageEvent): void => {
    if (event.type === 'progress' && journalLines(staging).length >= parts)
      heard.controller.abort();
  };
  await expectCode(() => stage(admitted, site, { ...heard, emit }), 'interrupted');
}

describe('when a bundle is staged', () => {
  it('stores every blob under its digest, read-only, and keeps the control files', async () => {
    const staging = await prepared();
    const heard = context();
    await stage(staging.admitted, staging.site, heard);
    await expectStaged(staging);
    const kept = staging.site.path('releases', large.id.slice(0, 32));
    for (const file of ['SHA512SUMS', 'signatures/release.p7s', 'attestations/lock.json']) {
      expect(readFileSync(join(kept, file))).toEqual(readFileSync(join(large.folder, file)));
    }
    const last = heard.events.filter((event) => event.type === 'progress').at(-1);
    expect(last).toMatchObject({ done: last?.total });
  });

  it('does nothing the second time, even without the parts', async () => {
    const staging = await prepared();
    await stage(staging.admitted, staging.site, context());
    const before = tree(staging.site.root);
    const inodes = before['store/blobs/sha256'];
    rmSync(join(staging.admitted.folder, 'blobs'), { recursive: true });
    await stage(staging.admitted, staging.site, context());
    expect(tree(staging.site.root)).toEqual(before);
    expect(inodes).toBeDefined();
  });

  it('counts existing parts as done, but not as copied', async () => {
    const staging = await prepared();
    const { admitted, site } = staging;
    const [first] = weightsOf(admitted).parts;
    flip(join(admitted.folder, first?.path ?? ''));
    await stage(admitted, site, context());
    flip(join(admitted.folder, first?.path ?? ''));
    const heard = context();
    await stage(admitted, site, heard);
    const told = heard.events.filter(
      (event) => event.type === 'progress' && event.task === 'stage',
    );
    const kept = bundleBytes(admitted.bundle) - (first?.size ?? 0);
    expect(told).not.toEqual([]);
    for (const each of told) expect(each).toMatchObject({ kept });
    expect(told.at(-1)).toMatchObject({
      done: bundleBytes(admitted.bundle),
      subject: 'part 1 of 1',
    });
  });

  it('stages only what no other release has brought', async () => {
    const staging = await prepared();
    await stage(staging.admitted, staging.site, context());
    const { digest } = weightsOf(staging.admitted);
    unlinkSync(staging.site.store.path(digest));
    const heard = context();
    await stage(staging.admitted, staging.site, heard);
    const steps = heard.events.filter((event) => event.type === 'step');
    expect(steps).toMatchObject([{ step: 'stage', subject: '3 parts' }]);
    await expectStaged(staging);
  });
});

describe('when what an earlier run copied was damaged since', () => {
  it.each([0, 1])('copies part %i again, and no other', async (index) => {
    const staging = await prepared();
    const { admitted, site } = staging;
    const weights = weightsOf(admitted);
    const [, , last] = weights.parts;
    const path = join(admitted.folder, last?.path ?? '');
    flip(path);
    await stage(admitted, site, context());
    flip(path);
    const { offset = 0 } = weights.parts[index] ?? {};
    flipBit(site.path('staging', admitted.id, digestHex(weights.digest)), offset + 100);
    const heard = context();
    expect(await stage(admitted, site, heard)).toMatchObject({ missing: [], faults: [] });
    await expectStaged(staging);
    const steps = heard.events.filter((event) => event.type === 'step');
    expect(steps).toMatchObject([{ step: 'stage', subject: '2 parts' }]);
    expect(heard.events.filter((event) => event.type === 'warning')).toHaveLength(1);
  });

  it.each([
    ['a bit of it flipped', (path: string) => flipBit(path, 5 * MIB)],
    ['it was cut', (path: string) => truncateSync(path, 5 * MIB)],
  ])('replaces a blob of another release: %s', async (_, damage) => {
    const staging = await prepared();
    const { admitted, site } = staging;
    await stage(admitted, site, context());
    damage(site.store.path(weightsOf(admitted).digest));
    expect(await stage(admitted, site, context())).toMatchObject({ missing: [], damaged: 1 });
    await expectStaged(staging);
  });

  it('rebuilds a part of a stored blob from recovery parts', async () => {
    const made = await smallBundle({
      ...{ place: scratch.fresh(), partSize: 4 * MIB, weights: 9 * MIB, parity: 1 },
    });
    const site = new SiteFolder(scratch.fresh('site'));
    await site.prepare();
    const admitted = await admit(made.folder, { ...context(), trust: made.trust });
    await stage(admitted, site, context());
    const weights = weightsOf(admitted);
    flipBit(site.store.path(weights.digest), 5 * MIB);
    unlinkSync(join(made.folder, weights.parts[1]?.path ?? ''));
    const less = await admit(made.folder, { ...context(), trust: made.trust, partial: true });
    expect(await stage(less, site, context())).toMatchObject({ missing: [], damaged: 1 });
    expect(digestOf(readFileSync(site.store.path(weights.digest)))).toBe(weights.digest);
  });
});

describe('when staging is interrupted', () => {
  const cases: [number, 'interrupt' | 'damage'][] = [
    [1, 'interrupt'],
    [2, 'interrupt'],
    [4, 'damage'],
  ];

  it.each(cases)(
    'finishes later without reading a part again (%i parts, %s)',
    async (parts, how) => {
      const staging = await prepared();
      const { admitted, site } = staging;
      await stopAfter(staging, parts, how);
      expect(existsSync(site.path('releases', admitted.id.slice(0, 32)))).toBe(false);
      expectOnlyRightBlobs(staging);
      const finished = journalLines(staging);
      expect(finished.length).toBeGreaterThan(0);
      for (const line of finished) unlinkSync(join(admitted.folder, line.split(' ')[0] ?? ''));
      await stage(admitted, site, context());
      await expectStaged(staging);
    },
  );

  it('finishes after a line of the journal was cut by a power failure', async () => {
    const staging = await prepared();
    const { admitted, site } = staging;
    await stopAfter(staging, 2, 'interrupt');
    const path = site.path('staging', admitted.id, 'journal');
    writeFileSync(path, readFileSync(path).subarray(0, -5));
    await stage(admitted, site, context());
    await expectStaged(staging);
  });

  it('ignores the journal when unfinished files are missing', async () => {
    const staging = await prepared();
    const { admitted, site } = staging;
    const blob = weightsOf(admitted);
    // Its last part is missing, so that the blob stays unfinished with two parts in the journal.
    flip(join(admitted.folder, blob.parts[2]?.path ?? ''));
    expect(faultsOf(await stage(admitted, site, context()))).toEqual(['part-damaged']);
    flip(join(admitted.folder, blob.parts[2]?.path ?? ''));
    unlinkSync(site.path('staging', admitted.id, digestHex(blob.digest)));
    await stage(admitted, site, context());
    await expectStaged(staging);
  });

  it('ignores the journal when a finished blob was removed', async () => {
    const staging = await prepared();
    const { admitted, site } = staging;
    const blob = weightsOf(admitted);
    await stage(admitted, site, context());
    // As a run leaves it that was killed before it removed its folder.
    const folder = site.path('staging', admitted.id);
    mkdirSync(folder, { recursive: true });
    const lines = admitted.bundle.blobs.flatMap((each) =>
      each.parts.map((part) => `${part.path} ${part.sha512}\n`),
    );
    writeFileSync(join(folder, 'journal'), lines.join(''));
    unlinkSync(site.store.path(blob.digest));
    await stage(admitted, site, context());
    await expectStaged(staging);
  });
});

describe('when a part is not as signed', () => {
  it.each([0, 2])('stages all but part %i, and no blob with that digest', async (index) => {
    const staging = await prepared();
    const { admitted, site } = staging;
    const blob = weightsOf(admitted);
    flip(join(admitted.folder, blob.parts[index]?.path ?? ''));
    const staged = await stage(admitted, site, context());
    expect(faultsOf(staged)).toEqual(['part-damaged']);
    expect(staged.faults[0]?.error.message).toContain('model.safetensors of model tiny');
    expect(staged.missing).toEqual([blob.parts[index]]);
    expect(expectOnlyRightBlobs(staging)).toHaveLength(admitted.bundle.blobs.length - 1);
    expect(await site.store.size(blob.digest)).toBeUndefined();
    expectOnlyRightBlobs(staging);
    expect(readdirSync(site.path('releases'))).toEqual([]);
    flip(join(admitted.folder, blob.parts[index]?.path ?? ''));
    await stage(admitted, site, context());
    await expectStaged(staging);
  });

  it('stages all but a part that was removed after admission (attack 91)', async () => {
    const staging = await prepared();
    const { admitted, site } = staging;
    unlinkSync(join(admitted.folder, weightsOf(admitted).parts[1]?.path ?? ''));
    expect(faultsOf(await stage(admitted, site, context()))).toEqual(['part-missing']);
    expect(await site.store.size(weightsOf(admitted).digest)).toBeUndefined();
  });

  it('does not follow a link in the staging folder (attack 90)', async () => {
    const staging = await prepared();
    const { admitted, site } = staging;
    const victim = scratch.fresh('victim');
    writeFileSync(victim, 'precious');
    mkdirSync(site.path('staging', admitted.id), { recursive: true });
    const name = digestHex(weightsOf(admitted).digest);
    symlinkSync(victim, site.path('staging', admitted.id, name));
    await expectCode(() => stage(admitted, site, context()), 'file-kind');
    expect(readFileSync(victim, 'utf8')).toBe('precious');
  });
});

describe('when the disk is full', () => {
  it('fails before the first byte is copied', async (test) => {
    const disk = scratch.fresh('small-disk');
    smallDisk(test, disk, '8m');
    const staging = await prepared(join(disk, 'site'));
    const error = await expectCode(
      () => stage(staging.admitted, staging.site, context()),
      'space-insufficient',
    );
    expect(error.expected).toMatch(/bytes\) free/);
    expect(expectOnlyRightBlobs(staging)).toEqual([]);
  });

  it('fails when space runs out while copying, and resumes when there is enough', async (test) => {
    const disk = scratch.fresh('small-disk');
    smallDisk(test, disk, '24m');
    const staging = await prepared(join(disk, 'site'));
    const { admitted, site } = staging;
    const ballast = join(disk, 'ballast');
    const fill = (event: StowageEvent): void => {
      // After the space was checked, somebody else takes it.
      if (event.type === 'step') writeFileSync(ballast, Buffer.alloc(18 * MIB));
    };
    const error = await expectCode(
      () => stage(admitted, site, { ...context(), emit: fill }),
      'space-insufficient',
    );
    expect(error.expected).toMatch(
      /^[1-9]\.[0-9] MiB \([1-9][0-9]{6} bytes\) free for the missing parts$/,
    );
    expect(await site.store.size(weightsOf(admitted).digest)).toBeUndefined();
    unlinkSync(ballast);
    await stage(admitted, site, context());
    await expectStaged(staging);
  });
});
