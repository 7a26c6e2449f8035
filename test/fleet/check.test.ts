import {
  appendFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { changeFleet } from '../../src/fleet/change.ts';
import { checkFleet } from '../../src/fleet/check.ts';
import { FleetFolder, openFleetFolder } from '../../src/fleet/fleet-folder.ts';
import { clearUnfinished } from '../../src/fleet/record.ts';
import { takeDocuments } from '../../src/fleet/take.ts';
import {
  type SimulatedSite,
  simulatedReleases,
  simulateSites,
  writeDocuments,
} from '../lab/simulated-fleet.ts';
import { context, packedAt } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';
import { makeAuthority } from '../support/small-bundle.ts';
import { addSites, authority, byEngineer, contentsOf, newFleet } from '../support/small-fleet.ts';

const scratch = scratchFolder(true);
const [site] = [
  ...simulateSites({
    ...{ seed: 3, sites: 1, receipts: 5, faulty: 0, until: packedAt },
    releases: simulatedReleases(3),
  }),
] as [SimulatedSite];
const home = scratch.fresh('home');
writeDocuments(home, site.documents);
let whole: FleetFolder;

beforeAll(async () => {
  whole = await newFleet(scratch.fresh('fleet'));
  await addSites(whole, [site]);
  await takeDocuments(whole, [home], byEngineer());
});

const copied = (): FleetFolder => new FleetFolder(scratch.copy(whole.root));
const firstIn = (folder: FleetFolder, ...place: readonly string[]): string =>
  folder.path(
    ...place,
    readdirSync(folder.path(...place)).find((each) => each.endsWith('.json')) ?? '',
  );

describe('when a fleet is checked', () => {
  it('finds nothing wrong with one that only commands changed', async () => {
    const { entries, documents, defects } = await checkFleet(copied(), context());
    expect(defects).toEqual([]);
    expect([entries, documents]).toEqual([3, 1 + 2 + site.documents.length]);
  });

  it.each<[string, (folder: FleetFolder) => void, string]>([
    [
      'a receipt that was edited',
      (f) => appendFileSync(firstIn(f, 'receipts', site.name), ' '),
      'not what was recorded',
    ],
    [
      'the marks of a merge conflict',
      (f) => writeFileSync(f.path('sites', site.name, '1.json'), '<<<<<<< ours\n{}\n=======\n'),
      'merge conflict',
    ],
    ['a receipt that was removed', (f) => rmSync(firstIn(f, 'receipts', site.name)), 'is missing'],
    [
      'the signature of a receipt that was removed',
      (f) => rmSync(firstIn(f, 'receipts', site.name).replace('.json', '.p7s')),
      'does not exist',
    ],
    [
      'the signature of a site that was removed',
      (f) => rmSync(f.path('sites', site.name, '1.json.release.p7s')),
      'is missing',
    ],
    [
      'a receipt that was put there by hand',
      (f) => cpSync(join(home, '0000000.json'), f.path('receipts', site.name, 'x.json')),
      'no command recorded',
    ],
    [
      'a trust document that was edited',
      (f) => {
        const other = makeAuthority('Somebody Else').trust;
        writeFileSync(f.path('trust', '1.trust.json'), JSON.stringify(other));
      },
      '',
    ],
  ])('finds %s', async (_, bend, text) => {
    const folder = copied();
    bend(folder);
    try {
      const { defects } = await checkFleet(folder, context());
      expect(defects.map((each) => each.text).join('\n')).toContain(text);
      expect(defects).not.toEqual([]);
    } catch (error) {
      expect(error).toMatchObject({ code: expect.stringMatching(/document-invalid/) });
    }
  });

  it.each<[string, (folder: FleetFolder) => void]>([
    ['was edited', (f) => appendFileSync(firstIn(f, 'ledger'), ' ')],
    [
      'is in the middle and missing',
      (f) => {
        const names = readdirSync(f.path('ledger'));
        const followed = names.find((name) =>
          names.some((other) =>
            readFileSync(f.path('ledger', other), 'utf8').includes(name.slice(0, 128)),
          ),
        );
        rmSync(f.path('ledger', followed ?? ''));
      },
    ],
  ])('stops at an entry of the ledger that %s', async (_, bend) => {
    const folder = copied();
    bend(folder);
    await expectCode(() => checkFleet(folder, context()), 'fleet-damaged');
  });

  it('shows documents whose entry was removed from the end', async () => {
    const folder = copied();
    const names = readdirSync(folder.path('ledger'));
    const last = names.find((name) =>
      names.every(
        (other) => !readFileSync(folder.path('ledger', other), 'utf8').includes(name.slice(0, 128)),
      ),
    );
    rmSync(folder.path('ledger', last ?? ''));
    const { defects } = await checkFleet(folder, context());
    expect(defects).toHaveLength(2 * site.documents.length);
  });

  it('does not count a site that a stranger signed', async () => {
    const folder = await newFleet(scratch.fresh('fleet'));
    const stranger = makeAuthority('Somebody Else');
    await expectCode(() => addSites(folder, [site], { by: stranger.signer }), 'signer-untrusted');
    expect(existsSync(folder.path('sites'))).toBe(false);
  });

  it('does not count what a revoked signer signed', async () => {
    const { certificate } = authority.signer;
    const revoked = [
      { issuer: authority.root.fingerprint, serial: certificate.serial, reason: 'stolen' },
    ];
    const folder = copied();
    writeFileSync(
      folder.path('trust', '1.trust.json'),
      JSON.stringify({ ...authority.trust, revoked }),
    );
    const { canonicalBytes } = await import('../../src/core/json.ts');
    writeFileSync(
      folder.path('trust', '1.trust.json'),
      canonicalBytes({ ...authority.trust, revoked } as never),
    );
    const { defects } = await checkFleet(folder, context());
    expect(defects.map(({ path }) => path)).toContain(`sites/${site.name}/1.json`);
    expect(defects.map(({ path }) => path)).toContain('trust/1.trust.json');
  });
});

describe('when a command was killed', () => {
  /** Runs a change in which everything from the n-th file on is missing, as after a kill. */
  it('removes documents without their entry, and records them again', async () => {
    const folder = await newFleet(scratch.fresh('fleet'));
    await addSites(folder, [site]);
    const before = await contentsOf(folder);
    const killed = new FleetFolder(scratch.copy(folder.root));
    await takeDocuments(killed, [home], byEngineer());
    // What a kill right before the entry leaves: the documents, and what was about to be recorded.
    const places = readdirSync(killed.path('receipts', site.name));
    cpSync(killed.path('receipts'), folder.path('receipts'), { recursive: true });
    const files = places.map((name) => `receipts/${site.name}/${name}`);
    writeFileSync(
      folder.path('.stowage', 'pending.json'),
      JSON.stringify({ entry: 'f'.repeat(128), files }),
    );
    expect(await contentsOf(folder)).toEqual(before);
    await changeFleet(folder, byEngineer(), async () => {});
    expect(readdirSync(folder.path('receipts', site.name))).toEqual([]);
    await takeDocuments(folder, [home], byEngineer());
    expect((await checkFleet(folder, context())).defects).toEqual([]);
  });

  it('keeps documents whose entry was written', async () => {
    const folder = copied();
    const entry = readdirSync(folder.path('ledger'))[0]?.slice(0, 128);
    const file = firstIn(folder, 'receipts', site.name);
    const pending = folder.path('.stowage', 'pending.json');
    writeFileSync(pending, JSON.stringify({ entry, files: [file.slice(folder.root.length + 1)] }));
    await clearUnfinished(folder);
    expect(existsSync(file)).toBe(true);
    expect(existsSync(pending)).toBe(false);
  });

  it.each([
    '{"entry":"x","files":["../../etc/passwd"]}',
    '{"entry":"x","files":["/etc/passwd"]}',
    '{}',
  ])('removes nothing outside the fleet: %s', async (text) => {
    const folder = copied();
    writeFileSync(folder.path('.stowage', 'pending.json'), text);
    await expectCode(() => clearUnfinished(folder), 'fleet-damaged');
  });
});

describe('when a folder is no fleet', () => {
  it('says so', async () => {
    await expectCode(() => openFleetFolder(scratch.fresh()), 'fleet-absent');
  });

  it('is not made over another', async () => {
    await expectCode(() => newFleet(copied().root), 'output-exists');
  });
});
