import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { StowageEvent } from '../../src/core/context.ts';
import { type Digest, digestOf } from '../../src/core/digest.ts';
import type { ErrorCode } from '../../src/core/error.ts';
import { MIB } from '../../src/core/limits.ts';
import { namesIn } from '../../src/io/file.ts';
import { withSite } from '../../src/site/applying/change.ts';
import { type Imported, importMedia } from '../../src/site/importing/import.ts';
import { readLedger } from '../../src/site/ledger/site-ledger.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import { context } from '../support/context.ts';
import { expectCode } from '../support/error.ts';
import { fakeTarget } from '../support/fake-engine.ts';
import { scratchFolder } from '../support/scratch.ts';
import { resign, type SmallBundle, smallBundle } from '../support/small-bundle.ts';

const scratch = scratchFolder();
let made: SmallBundle;
let other: SmallBundle;
let parity: SmallBundle;

beforeAll(async () => {
  const discs = { size: 8 * MIB, parity: false };
  const common = { partSize: 4 * MIB, weights: 9 * MIB, discs };
  made = await smallBundle({ place: scratch.fresh(), ...common });
  const { authority } = made;
  other = await smallBundle({
    place: scratch.fresh(),
    authority,
    ...common,
    version: '1.1.0',
    seq: 2,
  });
  parity = await smallBundle({ place: scratch.fresh(), authority, parity: 1 });
});

interface Fresh {
  readonly site: SiteFolder;
  /** Copies of the discs, in their order. */
  readonly discs: readonly string[];
  /** The folder that they lie in. */
  readonly folder: string;
}

function fresh(): Fresh {
  const folder = scratch.copy(made.folder);
  const discs = made.discs.map((disc) => join(folder, basename(disc)));
  return { site: new SiteFolder(scratch.fresh('site')), discs, folder };
}

function take(
  { site }: Pick<Fresh, 'site'>,
  places: readonly string[],
  emit: (event: StowageEvent) => void = () => {},
): Promise<Imported> {
  const options = { ...context({ emit }), site, target: fakeTarget(), trust: made.trust };
  return withSite(options, (ledger) => importMedia(places, ledger, options));
}

/** Nothing is accepted, no release is there, and every blob in the store is what its name says. */
async function expectNothingWrong({ site }: Pick<Fresh, 'site'>): Promise<void> {
  const kinds = (await readLedger(site)).entries.map((entry) => entry.event.kind);
  expect(kinds).not.toContain('accepted');
  expect(await namesIn(site.path('releases'))).toEqual([]);
  for (const name of blobsOf(site))
    expect(digestOf(readFileSync(site.store.path(`sha256:${name}` as Digest)))).toBe(
      `sha256:${name}`,
    );
}

function blobsOf(site: SiteFolder): string[] {
  const folder = site.path('store/blobs/sha256');
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** A part of the weights on the second disc. */
function slice(disc: string): string {
  const place = join(disc, 'blobs/sha256');
  const name = readdirSync(place).find((each) => /\.\d{4}$/.test(each));
  if (name === undefined) throw new Error(`no slice on ${disc}`);
  return join(place, name);
}

function discWithSlice(discs: readonly string[]): string {
  return (
    discs.find((disc) =>
      readdirSync(join(disc, 'blobs/sha256')).some((name) => /\.\d{4}$/.test(name)),
    ) ?? ''
  );
}

describe('when discs are refused before any of their data is read', () => {
  const attacks: readonly (readonly [string, ErrorCode, (discs: readonly string[]) => void])[] = [
    [
      'a disc of another bundle among them (attack 62)',
      'bundle-mixed',
      (discs) => {
        rmSync(discs[1] ?? '', { recursive: true });
        cpSync(other.discs[1] ?? '', discs[1] ?? '', { recursive: true });
      },
    ],
    [
      'the list of another bundle on one disc (attack 64)',
      'bundle-mixed',
      (discs) =>
        cpSync(join(other.discs[0] ?? '', 'SHA512SUMS'), join(discs[1] ?? '', 'SHA512SUMS')),
    ],
    [
      'one disc without signatures',
      'signature-missing',
      (discs) => rmSync(join(discs[1] ?? '', 'signatures'), { recursive: true }),
    ],
    [
      'one disc without its index',
      'part-missing',
      (discs) => rmSync(join(discs[1] ?? '', 'bundle.json')),
    ],
    [
      'an extra file on one disc (attack 100)',
      'file-unexpected',
      (discs) => writeFileSync(join(discs[1] ?? '', 'blobs/sha256/extra'), ''),
    ],
    [
      'a part of the other bundle on one disc',
      'file-unexpected',
      (discs) => {
        const from = slice(discWithSlice(other.discs));
        cpSync(from, join(discs[0] ?? '', 'blobs/sha256', basename(from)));
      },
    ],
    [
      'a part with a number that there is not (attack 63)',
      'file-unexpected',
      (discs) => {
        const from = slice(discWithSlice(discs));
        renameSync(from, from.replace(/\.\d{4}$/, '.0017'));
      },
    ],
    [
      'a link in place of a part (attack 89)',
      'file-kind',
      (discs) => {
        const path = slice(discWithSlice(discs));
        renameSync(path, scratch.fresh('aside'));
        symlinkSync('/dev/zero', path);
      },
    ],
    [
      'a pipe in place of a part (attack 89)',
      'file-kind',
      (discs) => {
        const path = slice(discWithSlice(discs));
        rmSync(path);
        execFileSync('mkfifo', [path]);
      },
    ],
    [
      'a device in place of a part (attack 89)',
      'file-kind',
      (discs) => {
        const path = slice(discWithSlice(discs));
        rmSync(path);
        execFileSync('mknod', [path, 'c', '1', '5']);
      },
    ],
  ];

  it.each(attacks)('refuses %s: %s', async (_, code, attack) => {
    const place = fresh();
    attack(place.discs);
    await expectCode(() => take(place, [place.folder]), code);
    expect(blobsOf(place.site)).toEqual([]);
    await expectNothingWrong(place);
  });

  it('refuses a disc that cannot be read at all', async () => {
    const place = fresh();
    await expectCode(() => take(place, [join(place.folder, 'disc-9-of-9')]), 'bundle-absent');
  });
});

describe('when a part on a disc does not match the list', () => {
  const attacks: readonly (readonly [
    string,
    ErrorCode,
    (path: string, discs: readonly string[]) => void,
  ])[] = [
    ['larger than listed', 'part-damaged', (path) => appendFileSync(path, 'x')],
    [
      'another part of the same size, renumbered (attack 63)',
      'part-damaged',
      (path, discs) => {
        const second = discs.flatMap((disc) =>
          readdirSync(join(disc, 'blobs/sha256'))
            .map((name) => join(disc, 'blobs/sha256', name))
            .filter((each) => each !== path && /\.\d{4}$/.test(each)),
        );
        const bytes = readFileSync(path);
        cpSync(second[0] ?? '', path);
        writeFileSync(second[0] ?? '', bytes);
      },
    ],
    ['of zeros (attack 93)', 'part-damaged', (path) => writeFileSync(path, Buffer.alloc(4 * MIB))],
  ];

  it.each(attacks)('imports all parts but one that is %s: %s', async (_, code, attack) => {
    const place = fresh();
    attack(slice(discWithSlice(place.discs)), place.discs);
    const error = await expectCode(() => take(place, [place.folder]), code);
    expect(error.message).toMatch(/ on disc-\d+-of-\d+ is damaged/);
    expect(blobsOf(place.site)).toHaveLength(made.bundle.blobs.length - 1);
    await expectNothingWrong(place);
    const { partial } = await take(place, [made.folder]);
    expect(partial).toBeUndefined();
  });

  it('keeps the bytes that were hashed, even if the file changes later (attack 91)', async () => {
    const place = fresh();
    const path = slice(discWithSlice(place.discs));
    const bytes = readFileSync(path);
    // Once admission is over and staging begins, the file becomes another.
    const swap = (event: StowageEvent): void => {
      if (event.type === 'step' && event.step === 'stage') {
        rmSync(path);
        writeFileSync(path, Buffer.alloc(bytes.length, 7));
      }
    };
    await expectCode(() => take(place, [place.folder], swap), 'part-damaged');
    await expectNothingWrong(place);
  });
});

describe('when the recovery section of a signed index is hostile (attack 103)', () => {
  type Bent = Record<string, unknown>;
  const bends: readonly (readonly [string, (parity: Bent) => Bent])[] = [
    ['has columns of more parts than there are', (section) => ({ ...section, columns: [10_000] })],
    ['leaves parts out', (section) => ({ ...section, columns: [1] })],
    [
      'has a column without parts',
      (section) => ({ ...section, columns: [...(section['columns'] as number[]), 0] }),
    ],
    [
      'has 10,000 columns',
      (section) => ({ ...section, columns: Array.from({ length: 10_000 }, () => 1) }),
    ],
    [
      'has negative columns',
      (section) => ({ ...section, columns: [-1, ...(section['columns'] as number[])] }),
    ],
    ['has a stripe of one byte', (section) => ({ ...section, stripe: 1 })],
    ['has a stripe of zero', (section) => ({ ...section, stripe: 0 })],
    ['has no rows', (section) => ({ ...section, rows: [] })],
    [
      'has 17 rows',
      (section) => ({
        ...section,
        rows: Array.from({ length: 17 }, () => (section['rows'] as object[])[0]),
      }),
    ],
    [
      'has one row twice',
      (section) => ({
        ...section,
        rows: [(section['rows'] as object[])[0], (section['rows'] as object[])[0]],
      }),
    ],
    [
      'has rows of another size',
      (section) => ({
        ...section,
        rows: (section['rows'] as { size: number }[][]).map((row) =>
          row.map((part) => ({ ...part, size: part.size + 1 })),
        ),
      }),
    ],
    [
      'has rows elsewhere',
      (section) => ({
        ...section,
        rows: (section['rows'] as object[][]).map((row) =>
          row.map((part) => ({ ...part, path: 'blobs/sha256/x' })),
        ),
      }),
    ],
    ['has a field that nobody knows', (section) => ({ ...section, matrix: 'mine' })],
  ];

  it.each(bends)('is refused when it %s', async (_, bend) => {
    const folder = scratch.copy(parity.folder);
    const index = (bundle: object): object => {
      const section = (bundle as { parity: Bent }).parity;
      return { ...bundle, parity: bend(section) };
    };
    resign(folder, made.authority, { index });
    const place = { site: new SiteFolder(scratch.fresh('site')) };
    await expectCode(() => take(place, [folder]), 'index-malformed');
    await expectNothingWrong(place);
  });
});

describe('when discs are from another split of the same bundle', () => {
  it('imports their parts: the signed list decides, not the disc', async () => {
    const place = fresh();
    mkdirSync(join(place.folder, 'disc-1-of-1'));
    for (const disc of place.discs)
      cpSync(disc, join(place.folder, 'disc-1-of-1'), { recursive: true });
    const { partial } = await take(place, [
      place.discs[0] ?? '',
      join(place.folder, 'disc-1-of-1'),
    ]);
    expect(partial).toBeUndefined();
  });
});
