import { createHash, X509Certificate } from 'node:crypto';
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { currentVersion } from '../../src/format/document.ts';
import { ledgerEntryKind } from '../../src/format/ledger.ts';
import { generationKind } from '../../src/format/plan.ts';
import { hostPlatform } from '../../src/target/host/platform.ts';
import { program, type Ran } from '../attacks/program.ts';
import { killPoints } from '../support/every-kill.ts';
import { scratchFolder } from '../support/scratch.ts';
import { tree } from '../support/tree.ts';

/**
 * Sites and bundles of version 0.1.0 and of version 3 of its documents, the current program, and a simulated later version in which every document has the
 * next version: each works on what the others wrote (attacks 145 and 146).
 */

const corpus = fileURLToPath(new URL('../corpus/sites/', import.meta.url));
const made = readdirSync(corpus);
const scratch = scratchFolder();
const LATER_PROGRAM: string = new URL('../support/later-program.ts', import.meta.url).href;
const KILL_AT_WRITE: string = new URL('../support/kill-at-write.ts', import.meta.url).href;
const LATER = ['--import', LATER_PROGRAM];
/** Bundles of the corpus are only for this platform. */
const fits = hostPlatform() === 'linux/amd64';

interface Standing {
  readonly site: string;
  today(...words: readonly string[]): Promise<Ran>;
  later(...words: readonly string[]): Promise<Ran>;
}

/** A copy of a site of the corpus; git keeps neither modes nor empty folders. */
function open(version: string, interrupted = false): Standing {
  const site = scratch.copy(join(corpus, version, 'site'));
  if (interrupted) cpSync(join(corpus, version, 'interrupted'), site, { recursive: true });
  chmodSync(join(site, 'keys'), 0o700);
  const env = { STOWAGE_ROOT: site };
  return {
    site,
    today: (...words) => program(words, { env }),
    later: (...words) => program(words, { env, flags: LATER }),
  };
}

const schemasIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => {
      const text = readFileSync(join(folder, name), 'utf8');
      return (JSON.parse(text) as { schema: string }).schema;
    });
const generations = ({ site }: Standing): string[] => [
  ...new Set(schemasIn(join(site, 'generations'))),
];

/** What each version left: a site with a depot runs nothing, and its generations have no field of version 3. */
const GENERATIONS: Readonly<Record<string, string>> = {
  'v0.1.0': 'stowage/generation/v1',
  'v0.1.0-documents-3': 'stowage/generation/v2',
};
/** What the later version writes: a document names the first of them that has all its fields. */
const LATER_SCHEMAS = Array.from(
  { length: generationKind.span ?? 1 },
  (_, index) => `stowage/generation/v${currentVersion(generationKind) + 1 - index}`,
);
const LOOKING: readonly (readonly string[])[] = [
  ['status'],
  ['history'],
  ['audit', 'verify'],
  ['receipt', 'show'],
];

it('keeps a site of each version, small', () => {
  expect(made).toEqual(Object.keys(GENERATIONS));
  const files = readdirSync(corpus, { recursive: true, withFileTypes: true }).filter((each) =>
    each.isFile(),
  );
  const bytes = files.map((each) => readFileSync(join(each.parentPath, each.name)).length);
  expect(bytes.reduce((sum, each) => sum + each, 0)).toBeLessThan(250_000 * made.length);
});

describe.each(made)('when a site was made by %s', (version) => {
  it.each(LOOKING.map((words) => [words.join(' '), words] as const))(
    'is read and remains unchanged: %s',
    async (_, words) => {
      const standing = open(version);
      const before = tree(standing.site);
      const { status, json, stderr } = await standing.today(...words);
      expect(stderr).not.toContain('error');
      expect(status).toBe(0);
      if (words[0] === 'status') expect(json).toMatchObject({ generations: [1, 2, 3] });
      if (words[0] === 'audit') expect(json).toMatchObject({ whole: true, entries: 12 });
      if (words[0] === 'history') expect(json).toMatchObject({ current: 2, kept: [1, 2, 3] });
      expect(tree(standing.site)).toEqual(before);
    },
  );

  it.runIf(fits)('is planned for, upgraded, returned to what it was and goes on', async () => {
    const standing = open(version);
    const { site, today } = standing;
    expect((await today('plan', 'chat')).json).toMatchObject({ plan: { to: { number: 4 } } });
    const next = join(corpus, version, 'next');
    const installed = await today('install', next);
    expect(installed.stderr).not.toContain('error');
    expect(installed.json).toMatchObject({ changed: true, generation: 4 });
    // Generation 2 ran before, because a rollback had returned to it.
    expect((await today('rollback')).json).toMatchObject({ changed: true, generation: 2 });
    expect((await today('rollback', '--to', '1')).json).toMatchObject({ generation: 1 });
    expect((await today('audit', 'verify')).json).toMatchObject({ whole: true });
    expect((await today('uninstall', 'chat')).status).toBe(0);
    expect(existsSync(join(site, 'format.json'))).toBe(true);
  });

  it.runIf(fits)('has a plan that was written then compared with now', async () => {
    const standing = open(version);
    const plan = join(corpus, version, 'plan.json');
    for (const run of [standing.today, standing.later]) {
      const { json } = await run('apply', plan);
      expect(json.error.code).toBe('plan-stale');
      // Generations and steps are the same; the site was in another folder.
      for (const each of json.error.defects) expect(each).toMatch(/\b(?:space|inodes): /);
    }
  });

  it.runIf(fits)('has an interrupted install undone, and begins again', async () => {
    const standing = open(version, true);
    expect((await standing.today('status')).json).toMatchObject({ interrupted: true });
    const { stderr, json } = await standing.today('install', 'chat@1.2.0');
    expect(stderr).toContain('an interrupted install was undone');
    expect(json).toMatchObject({ changed: true });
    const { done } = (await standing.today('history')).json;
    expect(JSON.stringify(done)).toContain('recover');
  });

  it('has receipts with valid signatures, and readable service documents', async () => {
    const standing = open(version);
    for (const from of ['site', 'served']) {
      const folder = join(corpus, version, from, 'receipts');
      for (const name of readdirSync(folder).filter((each) => each.endsWith('.json'))) {
        for (const run of [standing.today, standing.later])
          expect((await run('receipt', 'show', join(folder, name))).status, name).toBe(0);
      }
    }
  });

  it.runIf(fits)('reports a bundle in a format that does not exist yet', async () => {
    const standing = open(version);
    const newer = join(corpus, version, 'newer');
    for (const run of [standing.today, standing.later]) {
      const before = readFileSync(join(standing.site, 'ledger'));
      const { status, stderr } = await run('import', newer);
      expect(status).toBe(1);
      expect(stderr).toContain('format-newer');
      expect(stderr).toContain(`stowage-linux-x64 in ${newer}`);
      expect(readFileSync(join(standing.site, 'ledger'))).toEqual(before);
    }
  });
});

describe.each(made)('when a later version meets a site of %s', (version) => {
  it.each(LOOKING.map((words) => [words.join(' '), words] as const))(
    'reads it and converts nothing: %s',
    async (_, words) => {
      const standing = open(version);
      const before = tree(standing.site);
      const { status, stderr } = await standing.later(...words);
      expect(stderr).not.toContain('error');
      expect(status).toBe(0);
      expect(tree(standing.site)).toEqual(before);
    },
  );

  it.runIf(fits)('converts it once, except signed and chained documents', async () => {
    const standing = open(version);
    const { site, later } = standing;
    const kept = ['trust.json', 'site.yaml', 'releases', 'receipts'];
    const lines = readFileSync(join(site, 'ledger'));
    const before = kept.map((each) => stateOf(join(site, each)));
    expect(generations(standing)).toEqual([GENERATIONS[version]]);
    const installed = await later('install', join(corpus, version, 'next'));
    expect(installed.stderr).not.toContain('error');
    expect(installed.json).toMatchObject({ changed: true, generation: 4 });
    expect(LATER_SCHEMAS).toEqual(expect.arrayContaining(generations(standing)));
    for (const [index, each] of kept.entries())
      expect(stateOf(join(site, each))).toMatchObject(before[index] ?? {});
    expect(readFileSync(join(site, 'ledger')).subarray(0, lines.length)).toEqual(lines);
    const added = readFileSync(join(site, 'ledger'), 'utf8').slice(lines.length);
    expect(added).toContain(`stowage/ledger-entry/v${currentVersion(ledgerEntryKind) + 1}`);
    const converted = tree(join(site, 'generations'));
    expect((await later('audit', 'verify')).json).toMatchObject({ whole: true });
    expect((await later('rollback')).json).toMatchObject({ generation: 2 });
    expect((await later('receipt', 'show')).status).toBe(0);
    expect(tree(join(site, 'generations'))).toEqual(converted);
  });

  it.runIf(fits)('finishes a change that the earlier version left incomplete', async () => {
    const standing = open(version, true);
    const { stderr, json } = await standing.later('install', 'chat@1.2.0');
    expect(stderr).toContain('an interrupted install was undone');
    expect(json).toMatchObject({ changed: true });
    expect(LATER_SCHEMAS).toEqual(expect.arrayContaining(generations(standing)));
    expect((await standing.later('audit', 'verify')).json).toMatchObject({ whole: true });
  });

  it.runIf(fits)('applies a plan that the earlier version wrote', async () => {
    const standing = open(version);
    const plan = join(standing.site, 'plan.json');
    expect((await standing.today('plan', 'chat', '--output', plan)).status).toBe(0);
    const bytes = readFileSync(plan);
    const { stderr, json } = await standing.later('apply', plan);
    expect(stderr).not.toContain('error');
    expect(json).toMatchObject({ changed: true, generation: 4 });
    // An approval covers the digest of the original bytes, not of the converted document.
    const ledger = readFileSync(join(standing.site, 'ledger'), 'utf8');
    expect(ledger).toContain(createHash('sha512').update(bytes).digest('hex'));
  });

  it.runIf(fits)('leaves a site that an earlier version refuses and does not touch', async () => {
    const standing = open(version);
    const { site, later, today } = standing;
    expect((await later('install', 'chat@1.2.0')).status).toBe(0);
    const before = tree(site);
    const plan = join(corpus, version, 'plan.json');
    for (const words of [
      ...LOOKING,
      ['import', join(corpus, version, 'next')],
      ['install', join(corpus, version, 'next')],
      ['plan', 'chat'],
      ['apply', plan],
      ['rollback'],
      ['uninstall', 'chat'],
      ['gc'],
      ['forget', 'chat'],
      ['receipt', 'write'],
      ['override', 'window', '--by', 'A', '--reason', 'B', '--until', '2026-11-29T00:00:00Z'],
      ['repair-list'],
    ]) {
      const { status, stderr } = await today(...words);
      expect(stderr, words.join(' ')).toContain('format-newer');
      expect(stderr).toContain('bin/stowage');
      expect(status, words.join(' ')).toBe(1);
      expect(tree(site), words.join(' ')).toEqual(before);
    }
  });
});

describe.runIf(fits)('when an earlier version meets what the current program writes', () => {
  const EARLIER = ['--import', new URL('../support/earlier-program.ts', import.meta.url).href];

  it('refuses a bundle with charts as newer, and keeps nothing of it', async () => {
    const site = scratch.fresh('earlier');
    const kept = scratch.copy(join(corpus, '../v3/charts-and-objects'));
    const root = join(kept, 'root.pem');
    const words = [
      'import',
      join(kept, 'bundle'),
      '--trust',
      root,
      '--fingerprint',
      fingerprintOf(root),
    ];
    const run = (flags: readonly string[]): Promise<Ran> =>
      program(words, { env: { STOWAGE_ROOT: site }, flags: [...flags] });
    const { status, stderr } = await run(EARLIER);
    expect([status, stderr]).toEqual([1, expect.stringContaining('format-newer')]);
    expect(stderr).toContain('was written by a newer version of stowage');
    expect(existsSync(join(site, 'releases'))).toBe(false);
    expect((await run([])).status).toBe(0);
  });

  it('refuses its site, and changes nothing there', async () => {
    const { site, today } = open('v0.1.0');
    expect((await today('install', join(corpus, 'v0.1.0', 'next'))).status).toBe(0);
    const before = tree(site);
    for (const words of [...LOOKING, ['rollback'], ['uninstall', 'chat'], ['gc']]) {
      const { status, stderr } = await program(words, {
        env: { STOWAGE_ROOT: site },
        flags: EARLIER,
      });
      expect([status, stderr], words.join(' ')).toEqual([
        1,
        expect.stringContaining('format-newer'),
      ]);
      expect(tree(site), words.join(' ')).toEqual(before);
    }
  });
});

describe.runIf(fits)('when a conversion is killed (attack 146)', () => {
  it('is old or new, refused by the earlier version, and completed by the next run', async () => {
    const version = made[0] ?? '';
    const moments = await momentsOf(version);
    expect(moments).toBeGreaterThan(8);
    const all = Array.from({ length: moments }, (_, index) => index + 1);
    for (const moment of killPoints(all)) {
      const standing = open(version);
      const { site, today, later } = standing;
      const killed = await killedAt(standing, moment);
      expect(killed, `${moment}`).toBe(-1);
      for (const each of generations(standing))
        expect([GENERATIONS[version], ...LATER_SCHEMAS]).toContain(each);
      const started = generations(standing).some((each) => LATER_SCHEMAS.includes(each));
      const { status, stderr } = await today('status');
      if (started) expect([status, stderr]).toEqual([1, expect.stringContaining('format-newer')]);
      expect((await later('receipt', 'write')).status, `${moment}`).toBe(0);
      expect(LATER_SCHEMAS).toEqual(expect.arrayContaining(generations(standing)));
      for (const each of [site, join(site, 'generations')])
        expect(readdirSync(each).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      expect((await later('status')).json).toMatchObject({ generations: [1, 2, 3] });
    }
  });
});

/** Kills the later program at its n-th disk operation during the conversion. @returns its exit status */
async function killedAt({ site }: Standing, moment: number): Promise<number> {
  const env = { STOWAGE_ROOT: site, STOWAGE_TEST_KILL: String(moment) };
  const flags = [...LATER, '--import', KILL_AT_WRITE];
  return (await program(['receipt', 'write'], { env, flags })).status;
}

/** The number of disk operations of a whole conversion. */
async function momentsOf(version: string): Promise<number> {
  const { site } = open(version);
  const list = join(scratch.root, 'moments');
  const env = { STOWAGE_ROOT: site, STOWAGE_TEST_KILL: `list ${list}` };
  const flags = [...LATER, '--import', KILL_AT_WRITE];
  expect((await program(['receipt', 'write'], { env, flags })).status).toBe(0);
  return Number(readFileSync(list, 'utf8'));
}

function fingerprintOf(certificate: string): string {
  const { fingerprint256 } = new X509Certificate(readFileSync(certificate));
  return fingerprint256;
}

function stateOf(path: string): Record<string, string> {
  return existsSync(path) && !path.endsWith('.json') && !path.endsWith('.yaml')
    ? tree(path)
    : { bytes: readFileSync(path, 'utf8') };
}
