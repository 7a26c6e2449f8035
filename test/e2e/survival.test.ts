import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trustFingerprint } from '../../src/bundle/admission/trust-files.ts';
import { writeCanonical } from '../../src/format/document.ts';
import { trustKind } from '../../src/format/trust.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { killPoints } from '../support/every-kill.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { tree } from '../support/tree.ts';
import { shellImage } from '../target/container/shell-image.ts';
import { type Ran, stowage } from './cli.ts';

// The program is killed with SIGKILL before and after lines of the apply journal, against a real engine. After the next
// command, the site must be entirely in the old or entirely in the new generation. `npm run test:every-kill` tries every line.

const work = mkdtempSync(join(tmpdir(), 'stowage-survival-'));
const killer = fileURLToPath(new URL('kill-at-journal.ts', import.meta.url));
const at = (...names: readonly string[]): string => join(work, ...names);
const STAY = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done";
const changes = ['install', 'upgrade', 'failing upgrade', 'rollback', 'uninstall'] as const;
type Change = (typeof changes)[number];

let engine: Engine;
let one: SmallBundle;
let two: SmallBundle;
let bad: SmallBundle;

beforeAll(async () => {
  engine = isolatedEngine(at('engine'));
  const first = await shellImage(at('image-1'), 'chat', 'one');
  const second = await shellImage(at('image-2'), 'chat', 'two');
  const services = (more: object): object[] => [
    {
      name: 'server',
      image: 'server',
      args: [STAY],
      secrets: [{ secret: 'token', path: '/run/secrets/token' }],
      mounts: [
        { model: 'tiny', path: '/models/tiny' },
        { template: 'settings', path: '/etc/settings.json' },
      ],
      ...more,
    },
  ];
  const secrets = { token: { description: '' } };
  const common = { secrets, services: services({}) };
  const image = (layout: string, { image: { manifest } }: typeof first): object => ({
    image: { layout: at(layout), manifest },
  });
  one = await smallBundle({ place: at('one'), ...common, ...image('image-1', first) });
  const { authority } = one;
  const next = { authority, version: '2.0.0', seq: 2, ...image('image-2', second) };
  two = await smallBundle({ place: at('two'), ...common, ...next });
  const failing = { secrets, services: services({ entrypoint: '/absent' }) };
  bad = await smallBundle({ place: at('bad'), ...next, ...failing });
  writeFileSync(at('trust.json'), writeCanonical(trustKind, one.trust));
});

afterAll(async () => {
  await engine?.destroy();
  rmSync(work, { recursive: true, force: true });
});

interface Standing {
  readonly engine: string;
  readonly site: Readonly<Record<string, string>>;
}

const put = (bundle: SmallBundle): string[] => {
  const fingerprint = trustFingerprint(one.trust);
  return ['install', bundle.folder, '--trust', at('trust.json'), '--fingerprint', fingerprint];
};

const argumentsOf = (change: Change): string[] => {
  if (change === 'install') return put(one);
  if (change === 'upgrade') return put(two);
  if (change === 'failing upgrade') return put(bad);
  return change === 'rollback' ? ['rollback'] : ['uninstall', 'chat'];
};

const run = (args: readonly string[], kill?: string): Promise<Ran> =>
  stowage(
    {
      cwd: work,
      env: {
        ...engine.env,
        STOWAGE_ROOT: at('site'),
        CHAT_TOKEN: 'a token',
        ...(kill === undefined ? {} : { STOWAGE_TEST_KILL: kill }),
      },
      node: kill === undefined ? [] : ['--import', killer],
    },
    ...args,
  );

/** The state of the site and its engine before a change. */
async function prepare(change: Change): Promise<void> {
  mkdirSync(at('site/keys'), { recursive: true, mode: 0o700 });
  // One key for all sites, so that secrets have the same names in each.
  writeFileSync(at('site/keys/secret-names.key'), Buffer.alloc(32, 7), { mode: 0o600 });
  writeFileSync(
    at('site/site.yaml'),
    'apiVersion: stowage/v1\nname: vault\nsecrets: { chat: { token: { env: CHAT_TOKEN } } }\n',
  );
  if (change === 'install') return;
  expect((await run(put(one))).status).toBe(0);
  if (change === 'rollback') expect((await run(put(two))).status).toBe(0);
}

/** The content of the engine and the site, without times and counters. */
async function standing(): Promise<Standing> {
  const lines = async (...args: string[]): Promise<string[]> =>
    (await engine.podman(...args)).trim().split('\n').toSorted();
  const containers = JSON.parse(await engine.podman('ps', '--all', '--format', 'json')) as {
    readonly Names: readonly string[];
    readonly ImageID: string;
    readonly State: string;
    readonly Labels: Readonly<Record<string, string>>;
  }[];
  const held = [
    ...containers.map(({ Names, ImageID, State, Labels }) =>
      [...Names, ImageID, State, Labels['stowage.specification']].join(' '),
    ),
    ...(await lines('images', '--all', '--format', '{{.Id}} {{.Names}}')),
    ...(await lines('network', 'ls', '--format', '{{.Name}}')),
    ...(await lines('secret', 'ls', '--format', '{{.Name}}')),
  ];
  const site = tree(at('site'));
  const untold =
    /^(?:format\.json|receipts|ledger|keys|lock|store|releases|bin|incoming|staging|trust)/;
  // Folders that a site has after its first command; generations contain times.
  const kept = Object.entries(site)
    .filter(([path]) => !untold.test(path) && !['layouts', 'generations'].includes(path))
    .map(([path, what]) => [path, path.startsWith('generations/') ? 'there' : what]);
  return { engine: held.join('\n'), site: Object.fromEntries(kept) };
}

async function clear(): Promise<void> {
  await engine.podman('rm', '--all', '--force', '--time=0');
  await engine.podman('rmi', '--all', '--force');
  await engine.podman('secret', 'rm', '--all');
  for (const name of (await engine.podman('network', 'ls', '--format', '{{.Name}}'))
    .trim()
    .split('\n'))
    if (name.startsWith('stowage-')) await engine.podman('network', 'rm', name);
  rmSync(at('site'), { recursive: true, force: true });
}

/** The lines of the journal of an undisturbed change. */
async function journalOf(change: Change): Promise<string[]> {
  const ran = await run(argumentsOf(change), `list ${at('lines.json')}`);
  expect(ran.status, ran.stderr).toBe(change === 'failing upgrade' ? 3 : 0);
  return JSON.parse(readFileSync(at('lines.json'), 'utf8')) as string[];
}

// With all lines, more than a hundred kills, each followed by a command.
const TIMEOUT_MS = 1_200_000;

describe.each(changes)('when %s is killed at any line of its journal', (change) => {
  it('is in the old or the new state after the next command', { timeout: TIMEOUT_MS }, async () => {
    await clear();
    await prepare(change);
    const before = await standing();
    const states = await journalOf(change);
    const after = await standing();
    if (change === 'failing upgrade') expect(after).toEqual(before);
    else expect(after).not.toEqual(before);
    // The state before a step equals the state after the previous line.
    const points = states.flatMap((state, index) =>
      ['done', 'undone'].includes(state)
        ? [`${index + 1} before`, `${index + 1} after`]
        : [`${index + 1} after`],
    );
    const ends: string[] = [];
    let stands = after;
    for (const point of killPoints(points)) {
      if (stands !== before) {
        await clear();
        await prepare(change);
      }
      const killed = await run(argumentsOf(change), point);
      expect(killed.status, `${point}: ${killed.stderr}`).toBe(-1);
      const next = await run(['receipt', 'write']);
      expect(next.status, next.stderr).toBe(0);
      expect(readdirSync(at('site'))).not.toContain('apply');
      const now = await standing();
      stands = JSON.stringify(now) === JSON.stringify(after) ? after : before;
      if (change === 'failing upgrade') stands = before;
      expect(now, `killed at ${point}`).toEqual(stands);
      ends.push(stands === after ? 'new' : 'old');
    }
    expect(ends).toContain('old');
    // The new generation is kept only if all steps were done before the kill.
    if (change !== 'failing upgrade') expect(ends.lastIndexOf('old')).toBe(ends.indexOf('new') - 1);
    process.stderr.write(
      `${change}: killed at ${ends.length} points, ${ends.filter((each) => each === 'new').length} kept\n`,
    );
  });
});
