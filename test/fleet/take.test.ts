import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkFleet } from '../../src/fleet/check.ts';
import { FleetFolder } from '../../src/fleet/fleet-folder.ts';
import { type TakeResult, takeDocuments } from '../../src/fleet/take.ts';
import { seededRandom } from '../lab/random.ts';
import {
  expectedAlarms,
  type SimulatedDocument,
  type SimulatedSite,
  shuffled,
  simulatedFaults,
  simulatedReleases,
  simulateSites,
  siteSignerOf,
  writeDocuments,
} from '../lab/simulated-fleet.ts';
import { context, packedAt } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';
import {
  addSites,
  byEngineer,
  contentsOf,
  forgetIndex,
  look,
  newFleet,
} from '../support/small-fleet.ts';

const scratch = scratchFolder(true);
const take = (folder: FleetFolder, ...paths: readonly string[]): Promise<TakeResult> =>
  takeDocuments(folder, paths, byEngineer());
const outcomes = ({ files }: TakeResult): string[] =>
  files.map(({ outcome, code }) => code ?? outcome).toSorted();

const simulate = (values: object = {}): SimulatedSite[] => [
  ...simulateSites({
    ...{ seed: 3, sites: 1, receipts: 6, faulty: 0, until: packedAt },
    releases: simulatedReleases(4),
    ...values,
  }),
];

describe('when receipts of a simulated fleet come home', () => {
  const sites = simulate({ seed: 11, sites: 24, receipts: 14, faulty: 0.75 });
  const documents = sites.flatMap((each) => each.documents);

  it('has every fault among its sites', () => {
    expect(new Set(sites.map(({ fault }) => fault))).toEqual(
      new Set([undefined, ...simulatedFaults]),
    );
  });

  it('raises every alarm that was planted and no other, in any order and twice', async () => {
    const folder = await newFleet(scratch.fresh('fleet'));
    await addSites(folder, sites);
    const random = seededRandom(5);
    const home = scratch.fresh('home');
    writeDocuments(home, shuffled([...documents, ...documents], random));
    const result = await take(folder, home);
    const alarms = Map.groupBy(result.alarms, ({ site }) => site);
    for (const { name, fault } of sites) {
      const kinds = (alarms.get(name) ?? []).map(({ kind }) => kind);
      const expected = fault === undefined ? [] : expectedAlarms[fault];
      expect(expected, `${name}: ${fault}`).toEqual(expect.arrayContaining(kinds));
      expect(kinds.length > 0, `${name}: ${fault}`).toBe(expected.length > 0);
    }
    const damaged = sites.filter(({ fault }) => fault === 'damaged').length;
    expect(outcomes(result).filter((each) => each === 'signature-invalid')).toHaveLength(
      2 * damaged,
    );
    const taken = outcomes(result).filter((each) => each === 'taken');
    expect(taken).toHaveLength(documents.length - damaged);
    await checkFleet(folder, context()).then(({ defects }) => expect(defects).toEqual([]));

    // One by one, in another order, gives the same.
    const other = await newFleet(scratch.fresh('other'));
    await addSites(other, sites);
    const again = scratch.fresh('again');
    const half = Math.floor(documents.length / 2);
    const mixed = shuffled(documents, random);
    writeDocuments(join(again, 'a'), mixed.slice(0, half));
    writeDocuments(join(again, 'b'), mixed.slice(half), half);
    await take(other, join(again, 'b'));
    await take(other, join(again, 'a'));
    // What a new key signed is taken once its handover is.
    await take(other, again);
    const contents = await contentsOf(folder);
    const { files: _, ...rest } = (await contentsOf(other)) as { files: unknown };
    expect(contents).toMatchObject(rest);
    forgetIndex(folder);
    expect(await contentsOf(folder)).toEqual(contents);
  });
});

describe('when receipts come home in another order', () => {
  const sites = simulate({ seed: 4, sites: 16, receipts: 10, faulty: 0.75, failing: 0.2 });
  const documents = sites.flatMap((each) => each.documents);
  const indexOf = async (inThisOrder: readonly SimulatedDocument[]): Promise<object> => {
    const folder = await newFleet(scratch.fresh('fleet'));
    await addSites(folder, sites);
    const files = writeDocuments(scratch.fresh('home'), inThisOrder);
    await takeDocuments(folder, files, byEngineer());
    const contents = await contentsOf(folder);
    forgetIndex(folder);
    expect(await contentsOf(folder)).toEqual(contents);
    // The signatures of the sites' own documents differ from fleet to fleet.
    const { files: _, ...rest } = contents as { files: unknown };
    return rest;
  };
  let inOrder: object;

  beforeAll(async () => {
    inOrder = await indexOf(documents);
    expect((inOrder as { alarms: unknown[] }).alarms.length).toBeGreaterThan(5);
  });

  it.each([1, 2, 3])('gives the same index and alarms (seed %i)', async (seed) => {
    expect(await indexOf(shuffled(documents, seededRandom(seed)))).toEqual(inOrder);
  });

  it('gives the same from the last to the first', async () => {
    expect(await indexOf(documents.toReversed())).toEqual(inOrder);
  });
});

describe('when what comes home is bad', () => {
  const [site, stranger] = simulate({ sites: 2 }) as [SimulatedSite, SimulatedSite];

  const fleetWith = async (...added: readonly SimulatedSite[]): Promise<FleetFolder> => {
    const folder = await newFleet(scratch.fresh('fleet'));
    await addSites(folder, added);
    return folder;
  };
  const home = (documents: SimulatedSite['documents']): string => {
    const folder = scratch.fresh('home');
    writeDocuments(folder, documents);
    return folder;
  };

  it('refuses receipts of an unknown site, and takes the others', async () => {
    const folder = await fleetWith(site);
    const result = await take(folder, home(stranger.documents), home(site.documents));
    expect(outcomes(result)).toEqual([
      ...stranger.documents.map(() => 'signer-untrusted'),
      ...site.documents.map(() => 'taken'),
    ]);
    expect(readdirSync(folder.path('receipts'))).toEqual([site.name]);
  });

  it('refuses the receipt of one site that another signed', async () => {
    const folder = await fleetWith(site, { ...stranger, signer: stranger.signer });
    const impostor = simulate()[0] as SimulatedSite;
    // The same name, and a key of its own.
    expect(impostor.name).toBe(site.name);
    const result = await take(folder, home(impostor.documents));
    expect(new Set(outcomes(result))).toEqual(new Set(['signer-untrusted']));
    expect(result.files[0]?.reason).toContain('is not one that site');
  });

  it.each<[string, (folder: string, stem: string) => void, string]>([
    ['an empty file', (_, stem) => writeFileSync(`${stem}.json`, ''), 'signature-invalid'],
    ['no signature', (_, stem) => rmSync(`${stem}.p7s`), 'file-missing'],
    [
      'a signature of another',
      (folder, stem) => cpSync(join(folder, '0000001.p7s'), `${stem}.p7s`),
      'signature-invalid',
    ],
    [
      'a signature that is none',
      (_, stem) => writeFileSync(`${stem}.p7s`, 'x'),
      'signature-malformed',
    ],
    [
      'a folder in place of the file',
      (_, stem) => {
        rmSync(`${stem}.json`);
        mkdirSync(`${stem}.json`);
      },
      'file-kind',
    ],
  ])('refuses %s', async (_, bend, code) => {
    const folder = await fleetWith(site);
    const place = home(site.documents);
    bend(place, join(place, '0000000'));
    const file = join(place, '0000000.json');
    if (code === 'file-kind') {
      const result = await take(folder, place);
      expect(outcomes(result)).toContain(code);
      return;
    }
    expect(outcomes(await take(folder, file))).toEqual([code]);
    expect(await contentsOf(folder)).toMatchObject({ receipts: [] });
  });

  it('refuses a path where nothing is, and records nothing', async () => {
    const folder = await fleetWith(site);
    await expectCode(() => take(folder, home(site.documents), scratch.fresh()), 'file-missing');
    expect(await contentsOf(folder)).toMatchObject({ receipts: [] });
  });

  it('takes a receipt by the new key given before its handover', async () => {
    const [rotated] = simulate({ sites: 40, receipts: 12, faulty: 1, seed: 2 }).filter(
      ({ fault }) => fault === 'old-key',
    );
    if (rotated === undefined) throw new Error('no site of the simulation has this fault');
    const folder = await fleetWith(rotated);
    const files = writeDocuments(scratch.fresh('home'), rotated.documents).toReversed();
    const result = await takeDocuments(folder, files, byEngineer());
    expect(new Set(outcomes(result))).toEqual(new Set(['taken']));
    expect(result.alarms.map(({ kind }) => kind)).toEqual(['old-key']);
  });

  it('does not take the handover of a key that somebody else signed', async () => {
    const folder = await fleetWith(site);
    const { handover } = await import('../lab/simulated-fleet.ts');
    const thief = siteSignerOf(site.name, packedAt);
    const next = siteSignerOf(site.name, packedAt);
    const theft = handover(site.name, { signer: thief, next, at: packedAt });
    expect(outcomes(await take(folder, home([theft])))).toEqual(['signer-untrusted']);
  });
});

describe('when two engineers work at once', () => {
  const [left, right] = simulate({ sites: 2, seed: 9 }) as [SimulatedSite, SimulatedSite];

  it('lets one wait for the other to end, in one folder', async () => {
    const folder = await newFleet(scratch.fresh('fleet'));
    await addSites(folder, [left]);
    await folder.locked(async () => {
      await expectCode(() => take(folder, scratch.root), 'fleet-locked');
    });
    const home = scratch.fresh('home');
    writeDocuments(home, left.documents);
    expect(outcomes(await take(folder, home))).toHaveLength(left.documents.length);
  });

  it('merges their copies as git does, and goes on from both', async () => {
    const folder = await newFleet(scratch.fresh('fleet'));
    await addSites(folder, [left, right]);
    const copy = new FleetFolder(scratch.copy(folder.root));
    const homes = [left, right].map((each) => {
      const home = scratch.fresh('home');
      writeDocuments(home, each.documents);
      return home;
    });
    await take(folder, homes[0] ?? '');
    await take(copy, homes[1] ?? '');
    // Both took the last of these.
    await take(copy, join(homes[0] ?? '', '0000000.json'));
    for (const place of ['ledger', 'receipts'])
      cpSync(copy.path(place), folder.path(place), { recursive: true });
    const heads = (): Promise<number> =>
      look(
        folder,
        ({ database }) =>
          database.all('SELECT 1 FROM entry WHERE digest NOT IN (SELECT digest FROM parent)')
            .length,
      );
    expect(await heads()).toBe(2);
    expect((await checkFleet(folder, context())).defects).toEqual([]);
    const receipts = await look(folder, ({ database }) => database.all('SELECT 1 FROM receipt'));
    expect(receipts).toHaveLength(left.documents.length + right.documents.length);
    await addSites(folder, [{ name: 'another', signer: left.signer }]);
    expect(await heads()).toBe(1);
  });
});
