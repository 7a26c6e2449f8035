import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/core/error.ts';
import { writeCanonical } from '../../src/format/document.ts';
import type { LedgerEntry } from '../../src/format/ledger.ts';
import { generationKind } from '../../src/format/plan.ts';
import {
  currentGeneration,
  earlierGenerations,
  emptyGeneration,
  forgetGeneration,
  generationNumbers,
  installedRelease,
  keptGenerations,
  loadGeneration,
  switchTo,
} from '../../src/site/generations.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import { generation, release } from '../support/deployed.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();

async function prepared(): Promise<SiteFolder> {
  const site = new SiteFolder(scratch.fresh('site'));
  await site.prepare();
  return site;
}

describe('when a site switches generations', () => {
  it('is at none at first', async () => {
    const site = await prepared();
    expect(await currentGeneration(site)).toEqual(emptyGeneration);
    expect(await generationNumbers(site)).toEqual([]);
    expect(await loadGeneration(site, 0)).toEqual(emptyGeneration);
  });

  it('moves one link by a rename', async () => {
    const site = await prepared();
    await switchTo(site, generation(1, release()));
    const before = lstatSync(site.path('current')).ino;
    await switchTo(site, generation(2));
    expect(lstatSync(site.path('current')).ino).not.toBe(before);
    expect(readlinkSync(site.path('current'))).toBe('generations/2.json');
    expect(await currentGeneration(site)).toEqual(generation(2));
    expect(await loadGeneration(site, 1)).toEqual(generation(1, release()));
    expect(readdirSync(site.root).filter((name) => name.includes('tmp'))).toEqual([]);
  });

  it('may do so again, and past what a kill left', async () => {
    const site = await prepared();
    symlinkSync('nowhere', site.path('.current.tmp'));
    await switchTo(site, generation(1));
    await switchTo(site, generation(1));
    expect(await currentGeneration(site)).toEqual(generation(1));
  });

  it('returns to none by removing the link', async () => {
    const site = await prepared();
    await switchTo(site, generation(1));
    await switchTo(site, emptyGeneration);
    await forgetGeneration(site, 1);
    expect(await currentGeneration(site)).toEqual(emptyGeneration);
    expect(await generationNumbers(site)).toEqual([]);
  });

  it('counts numbers, not names', async () => {
    const site = await prepared();
    for (const name of [
      '10.json',
      '9.json',
      '0.json',
      '01.json',
      'x.json',
      '2.json.bak',
      '.3.json',
    ])
      writeFileSync(site.path('generations', name), '');
    expect(await generationNumbers(site)).toEqual([9, 10]);
  });
});

describe('when a generation is not what was written (attack 60)', () => {
  const whole = writeCanonical(generationKind, generation(1, release())).toString();
  const cases: readonly (readonly [string, ErrorCode, (site: SiteFolder) => void])[] = [
    ['empty', 'state-damaged', (site) => writeFileSync(site.path('generations/1.json'), '')],
    [
      'truncated',
      'state-damaged',
      (site) => writeFileSync(site.path('generations/1.json'), whole.slice(0, -1)),
    ],
    [
      'edited',
      'state-damaged',
      (site) => writeFileSync(site.path('generations/1.json'), whole.replace('{', '{"extra":1,')),
    ],
    [
      'a link',
      'state-damaged',
      (site) => {
        writeFileSync(site.path('aside'), whole);
        symlinkSync('../aside', site.path('generations/1.json'));
      },
    ],
    ['a folder', 'state-damaged', (site) => mkdirSync(site.path('generations/1.json'))],
    ['gone', 'state-damaged', () => {}],
  ];

  it.each(cases)('refuses one that is %s: %s', async (_, code, bend) => {
    const site = await prepared();
    symlinkSync('generations/1.json', site.path('current'));
    bend(site);
    await expectCode(() => currentGeneration(site), code);
  });

  it('refuses a link that names none', async () => {
    const site = await prepared();
    symlinkSync('/etc/passwd', site.path('current'));
    await expectCode(() => currentGeneration(site), 'state-damaged');
  });

  it('names those that there are, when another is asked for', async () => {
    const site = await prepared();
    await switchTo(site, generation(1));
    await switchTo(site, generation(2));
    const error = await expectCode(() => loadGeneration(site, 7), 'generation-unknown');
    expect(error).toMatchObject({ expected: '1, 2', found: '7' });
  });
});

describe('when the kept generations are listed', () => {
  it('says which releases each has, and nothing of what they run', async () => {
    const site = await prepared();
    await switchTo(site, generation(1, release()));
    await switchTo(
      site,
      generation(2, release({ version: '2.0.0', seq: 2 }), release({ name: 'a' })),
    );
    const { appliedAt } = generation(1);
    const bundle = 'a'.repeat(128);
    const chat = { name: 'chat', version: '1.0.0', seq: 1, bundle };
    expect(await keptGenerations(site)).toEqual([
      { number: 1, appliedAt, releases: [chat] },
      {
        ...{ number: 2, appliedAt },
        releases: [
          { ...chat, version: '2.0.0', seq: 2 },
          { ...chat, name: 'a' },
        ],
      },
    ]);
  });

  it.each([
    ['a member that is unknown', (text: string) => text.replace('"number"', '"note":1,"number"')],
    ['a release without a name', (text: string) => text.replace('"name":"chat",', '')],
    ['an end that is missing', (text: string) => text.slice(0, -1)],
    ['spaces', (text: string) => text.replace('{', '{ ')],
  ])('refuses one with %s', async (_, bend) => {
    const site = await prepared();
    await switchTo(site, generation(1, release({ services: [] })));
    const file = site.path('generations/1.json');
    const text = readFileSync(file, 'utf8');
    const bent = bend(text);
    expect(bent).not.toBe(text);
    writeFileSync(file, bent);
    await expectCode(() => keptGenerations(site), 'state-damaged');
  });
});

describe('when a rollback names no generation', () => {
  const release = { name: 'chat', version: '1.0.0', bundle: '0'.repeat(128) };
  /** Ledger entries of commands such as `install 2`, `rollback 1` and `install 3 failed`. */
  const ledger = (commands: readonly string[]): LedgerEntry[] =>
    commands.map((text) => {
      const [command, generation, outcome = 'kept'] = text.split(' ');
      const about = command === 'install' || outcome === 'install' ? { release } : {};
      return {
        event: {
          ...{ kind: 'command', command, generation: Number(generation), ...about },
          outcome: outcome === 'install' ? 'kept' : outcome,
        },
      } as LedgerEntry;
    });

  it.each<[string, readonly string[], number, readonly number[], readonly number[]]>([
    ['nothing was installed', [], 0, [], []],
    ['there is only one', ['install 1'], 1, [1], []],
    ['one followed another', ['install 1', 'install 2', 'install 3'], 3, [1, 2, 3], [2, 1]],
    ['it returned to the first', ['install 1', 'install 2', 'rollback 1'], 1, [1, 2], []],
    [
      'one was left behind by a rollback',
      ['install 1', 'install 2', 'rollback 1', 'install 3'],
      3,
      [1, 2, 3],
      [1, 2],
    ],
    [
      'a rollback was interrupted, and then finished',
      ['install 1', 'install 2', 'recover 1', 'install 3'],
      3,
      [1, 2, 3],
      [1, 2],
    ],
    [
      'an installation was interrupted, and then finished',
      ['install 1', 'recover 2 install', 'rollback 1', 'recover 3 install'],
      3,
      [1, 2, 3],
      [1, 2],
    ],
    [
      'installations failed and repaired between',
      ['install 1', 'install 2', 'rollback 1', 'install 1 rolled-back', 'install 1', 'install 3'],
      3,
      [1, 2, 3],
      [1, 2],
    ],
    [
      'the one before is no longer kept',
      ['install 1', 'install 2', 'install 3', 'install 4', 'rollback 3', 'install 5'],
      5,
      [2, 4, 5],
      [2, 4],
    ],
    [
      'a number was used again after its generation was removed',
      ['install 1', 'install 2', 'install 3', 'rollback 1', 'install 2', 'install 3'],
      3,
      [1, 2, 3],
      [2, 1],
    ],
    ['the ledger does not know it', [], 3, [1, 2, 3], [2, 1]],
    ['the ledger is of another site', ['install 4', 'install 3'], 3, [1, 3, 4], [1]],
  ])('returns to what ran before: %s', (_, commands, current, kept, earlier) => {
    expect(earlierGenerations(current, kept, ledger(commands))).toEqual(earlier);
  });
});

describe('when an installed release is named', () => {
  const current = generation(3, release({ name: 'base' }), release());
  const [, chat] = current.releases;
  const version = chat?.version ?? '';

  it('is found by its name, and by its name with the installed version', () => {
    expect(installedRelease(current, 'chat')).toBe(chat);
    expect(installedRelease(current, `chat@${version}`)).toBe(chat);
  });

  it.each(['9.9.9', '', `${version}@`])(
    'says which version is installed instead of %j',
    async (other) => {
      const error = await expectCode(
        () => installedRelease(current, `chat@${other}`),
        'release-unknown',
      );
      expect(error).toMatchObject({
        expected: `chat@${version}, which is installed`,
        found: `chat@${other}`,
      });
    },
  );

  it('lists what is installed for another name', async () => {
    const error = await expectCode(() => installedRelease(current, 'other'), 'release-unknown');
    expect(error.expected).toBe(`base@${current.releases[0]?.version}, chat@${version}`);
  });
});

describe('when a generation is not kept', () => {
  it('names the command that lists the kept ones', async () => {
    const site = await prepared();
    const error = await expectCode(() => loadGeneration(site, 7), 'generation-unknown');
    expect(error).toMatchObject({
      found: '7',
      hint: 'run stowage history to list the kept generations',
    });
  });
});
