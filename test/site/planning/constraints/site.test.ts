import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../../../src/core/limits.ts';
import {
  maintenanceWindows,
  space,
  suppressions,
} from '../../../../src/site/planning/constraints/site.ts';
import { SiteFolder } from '../../../../src/site/site-folder.ts';
import { createContainerTarget } from '../../../../src/target/container/container-target.ts';
import type { EngineFacts } from '../../../../src/target/container/engine.ts';
import type { Target } from '../../../../src/target/target.ts';
import { asking, type Packed, packed } from '../../../support/constraint-input.ts';
import { image, service } from '../../../support/deployed.ts';
import { FakeEngine } from '../../../support/fake-engine.ts';
import { scratchFolder } from '../../../support/scratch.ts';

const scratch = scratchFolder(true);
const engine = { engine: 'podman', version: '5.0.0', systemd: false, rootless: false, names: true };
const SYSTEMS: Readonly<Record<string, string>> = { '/images': 'big', '/fetching': 'tmp' };

/** A host whose file systems have so many bytes and files free. */
function disks(
  bytes: Readonly<Record<string, number>>,
  files: Readonly<Record<string, number | undefined>> = {},
) {
  return {
    fileSystem: (path: string) => {
      const id = SYSTEMS[path] ?? 'root';
      const freeFiles = id in files ? files[id] : 1_000_000;
      return {
        id,
        freeBytes: bytes[id] ?? 1000 * GIB,
        ...(freeFiles === undefined ? {} : { freeFiles }),
      };
    },
  };
}

const layer = (hex: string, size: number, type = 'tar+gzip'): object => ({
  digest: `sha256:${hex.repeat(64)}`,
  size,
  mediaType: `application/vnd.oci.image.layer.v1.${type}`,
});

/** A site that holds images made of these layers, and a release for each. */
async function staged(
  ...images: readonly (readonly object[])[]
): Promise<{ site: SiteFolder; releases: Packed[] }> {
  const site = new SiteFolder(scratch.fresh('site'));
  const releases: Packed[] = [];
  for (const [index, layers] of images.entries()) {
    const manifest = await site.store.put(Buffer.from(JSON.stringify({ layers })));
    const one = service({ image: { ...image(index), manifest } });
    releases.push(packed({ services: [one], version: `${index + 1}.0.0` }));
  }
  return { site, releases };
}

describe('when the site needs room for itself', () => {
  it.each([
    [16 * MIB, 101, true, true],
    [16 * MIB - 1, 101, false, true],
    [GIB, 100, true, false],
  ])('finds %i bytes and %i files: %s, %s', async (bytes, files, enough, many) => {
    const site = new SiteFolder('/site');
    const host = disks({ root: bytes }, { root: files });
    const none = packed({}, { files: [] });
    const [first, second, ...rest] = await space(asking({ to: [none], site, host }));
    expect(first).toMatchObject({
      rule: 'space',
      satisfied: enough,
      needs: '16.0 MiB free on the file system of /site',
    });
    expect(second).toMatchObject({
      rule: 'inodes',
      satisfied: many,
      needs: 'room for 101 more files on the file system of /site',
      found: `room for ${files}`,
    });
    expect(rest).toEqual([]);
  });

  it('takes nothing for models, and the size of a tree once', async () => {
    const { bundle, wanted } = packed();
    const files = bundle.files.map((each) => ({ ...each, size: GIB }));
    const one = { wanted, bundle: { ...bundle, files } };
    const [first] = await space(asking({ to: [one] }));
    expect(first?.needs).toBe('1.02 GiB free on the file system of /nonexistent/site');
    // The same bundle with other values: its files are laid out already.
    const again = { ...one, wanted: { ...wanted, texts: [{ sha256: 'a'.repeat(64), text: 'x' }] } };
    const [second] = await space(asking({ from: [one], to: [again] }));
    expect(second?.needs).toBe('16.0 MiB free on the file system of /nonexistent/site');
  });

  it('does not count files where the file system does not', async () => {
    const host = disks({}, { root: undefined });
    const [, second] = await space(asking({ to: [packed()], host }));
    expect(second).toMatchObject({ satisfied: true, found: 'no limit on files' });
  });

  it('needs nothing for taking off', async () => {
    expect(await space(asking({ intent: 'uninstall', from: [packed()], to: [] }))).toEqual([]);
  });
});

/** A target whose engine says this of itself. */
function telling(facts: EngineFacts): Target {
  const engine = new FakeEngine();
  engine.probe = async () => facts;
  return createContainerTarget(engine);
}

describe('when the engine needs room for images', () => {
  const layers = [layer('a', GIB), layer('b', GIB, 'tar')];

  it('asks the file systems of what it keeps and of what it fetches', async () => {
    const { site, releases: to } = await staged(layers);
    const host = disks({ big: 3 * GIB, tmp: GIB });
    const own = { ...engine, images: '/images', fetching: '/fetching' };
    const found = await space(asking({ to, site, host, target: telling(own) }));
    expect(found.filter((each) => each.rule === 'space').slice(1)).toEqual([
      {
        rule: 'space',
        satisfied: false,
        needs: '3.50 GiB free on the file system of /images',
        found: '3.00 GiB free',
      },
      {
        rule: 'space',
        satisfied: false,
        needs: '2.00 GiB free on the file system of /fetching',
        found: '1.00 GiB free',
      },
    ]);
  });

  it('adds up what lies on one file system', async () => {
    const { site, releases: to } = await staged(layers);
    const own = { ...engine, images: `${site.root}/images` };
    const found = await space(asking({ to, site, target: telling(own) }));
    expect(found.map((each) => each.rule)).toEqual(['space', 'inodes']);
    expect(found[0]?.needs).toBe(
      `5.52 GiB free on the file system of ${site.root} and ${site.root}/images`,
    );
  });

  it('takes nothing for a layer that the release before had', async () => {
    const { site, releases } = await staged(layers, [...layers, layer('c', MIB, 'tar+zstd')]);
    const [from, to] = [releases.slice(0, 1), releases.slice(1)];
    const own = { ...engine, images: '/images' };
    const found = await space(asking({ from, to, site, host: disks({}), target: telling(own) }));
    expect(found[2]?.needs).toBe('3.5 MiB free on the file system of /images');
  });

  it('counts nothing if the engine does not report its folders', async () => {
    const { site, releases: to } = await staged(layers);
    expect(await space(asking({ to, site, target: telling(engine) }))).toHaveLength(2);
  });
});

// Saturday, 10:00 UTC.
const now = new Date('2026-11-21T10:00:00Z');

describe('when a site has maintenance windows', () => {
  const windows = [
    { days: ['sat', 'sun'], from: '22:00', to: '04:00', timeZone: 'Europe/Berlin' },
    { from: '12:30', to: '13:00' },
  ];

  it('refuses outside of them, and says when the next opens', () => {
    expect(maintenanceWindows(asking({ settings: { windows }, now }))).toEqual([
      {
        rule: 'window',
        satisfied: false,
        needs:
          'a change begins in a maintenance window: sat sun 22:00 to 04:00 Europe/Berlin; daily 12:30 to 13:00 UTC',
        found:
          'Sat 11:00 in Europe/Berlin, Sat 10:00 in UTC; the next opens at 2026-11-21T12:30:00Z',
      },
    ]);
  });

  it('names the one that is open', () => {
    const at = new Date('2026-11-21T22:30:00Z');
    expect(maintenanceWindows(asking({ settings: { windows }, now: at }))).toMatchObject([
      { satisfied: true, found: 'open now: sat sun 22:00 to 04:00 Europe/Berlin' },
    ]);
  });

  it('needs the same whenever it is asked', () => {
    const needs = (at: Date): unknown =>
      maintenanceWindows(asking({ settings: { windows }, now: at }))[0]?.needs;
    expect(needs(new Date('2026-11-21T22:30:00Z'))).toBe(needs(now));
  });

  it('is asked nothing at a site without any', () => {
    expect(maintenanceWindows(asking())).toEqual([]);
  });
});

describe('when a site has a suppressed period', () => {
  const settings = {
    suppressions: [
      { from: '2026-11-21T10:00:00Z', until: '2026-11-22T00:00:00Z', reason: 'election' },
    ],
  };

  it.each([
    ['2026-11-21T09:59:59Z', true, 'not yet'],
    ['2026-11-21T10:00:00Z', false, 'it is 2026-11-21T10:00:00Z'],
    ['2026-11-21T23:59:59Z', false, 'it is 2026-11-21T23:59:59Z'],
    ['2026-11-22T00:00:00Z', true, 'over'],
  ])('at %s: %s', (at, satisfied, found) => {
    expect(suppressions(asking({ settings, now: new Date(at) }))).toEqual([
      {
        rule: 'suppression',
        satisfied,
        needs: 'no change begins from 2026-11-21T10:00:00Z until 2026-11-22T00:00:00Z: election',
        found,
      },
    ]);
  });
});
