import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AirGap, airGap } from '../lab/airgap.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { run } from '../lab/process.ts';
import { type Answers, Typist } from '../lab/typist.ts';
import {
  type CommandBlock,
  commandsOfPage,
  fleetPage,
  WITH_FLEET_PAGE,
} from '../support/documents.ts';
import { smallScanner } from '../support/small-scanner.ts';

// The page of fleets, typed by a release engineer and by the operator of a site. Both use the same drive.
const project = fileURLToPath(new URL('../..', import.meta.url));
const blocksOf = (page: string): CommandBlock[] =>
  commandsOfPage(readFileSync(join(project, page), 'utf8'));
const all = blocksOf(fleetPage);
const blocks = [
  ...all.filter(({ notRun }) => notRun === undefined),
  ...blocksOf('manifests/README.md').filter(({ notRun }) => notRun === WITH_FLEET_PAGE),
];
const work = mkdtempSync(join(tmpdir(), 'fleet-'));
const at = (...names: readonly string[]): string => join(work, ...names);
const site = at('var/stowage');
const KEYS = '--key ~/keys/release.key.pem --certificate ~/keys/release.pem';
const SITE_YAML = 'apiVersion: stowage/v1\nname: vault\nchannel: stable\n';
let gap: AirGap;
let engine: Engine;
let people: Record<Side, Typist>;
let trusted = '';
let key = '';

type Side = 'engineer' | 'operator';

const answers: Answers = [
  [/The fleet has no trust document yet[\s\S]*from your paper copy: $/, () => trusted.slice(-16)],
  [/This site has no trust document yet[\s\S]*from your paper copy: $/, () => trusted.slice(-16)],
  [/Site vault signs with a key[\s\S]*from your paper copy: $/, () => key.slice(-16)],
];

async function type(side: Side, command: string, status = 0): Promise<string> {
  const typed = await people[side].type(command, 240);
  expect(typed.status, `${command}\n${typed.screen}`).toBe(status);
  return typed.screen;
}

function manifest(version: string, channel: string): string {
  return `apiVersion: stowage/v1
name: chat
version: ${version}
channel: ${channel}
platforms: [linux/amd64]
files:
  - name: notes
    source: ./notes-${version}.txt
`;
}

/** The one file of a folder whose name ends so. */
function only(folder: string, end: string): string {
  const found = readdirSync(folder).filter((each) => each.endsWith(end));
  expect(found, folder).toHaveLength(1);
  return found[0] ?? '';
}

/** What stands in the page for a name that nobody knows before. */
function asTyped(command: string): string {
  return command
    .replace('RECEIPT.json', () => only(at('media/stick/receipts'), '-statement.json'))
    .replace('DIGEST.json', () => only(at('home/works/promotions/stable'), '.json'));
}

/** What the reader did before the block that begins with a command: other pages say how. */
const before: Readonly<Record<string, () => Promise<unknown>>> = {
  'stowage fleet add-release': async () => {
    writeFileSync(
      at('home/works/fleet.yaml'),
      'apiVersion: stowage/v1\nname: works\nchannels:\n  candidate: {}\n  stable: { from: candidate, evidence: { approval: true } }\n',
    );
  },
};

beforeAll(async () => {
  for (const each of ['home', 'media/stick', 'var', 'var-work', 'bin', 'scanner'])
    mkdirSync(at(each), { recursive: true });
  const node = join(project, 'node_modules/.bin/node');
  writeFileSync(
    at('bin/stowage'),
    `#!/bin/sh\nexec ${node} ${join(project, 'dist/main.js')} "$@"\n`,
  );
  chmodSync(at('bin/stowage'), 0o755);
  mkdirSync(site);
  writeFileSync(join(site, 'site.yaml'), SITE_YAML);
  smallScanner(at('scanner'), {});
  gap = await airGap({ ownRun: true });
  const [enter = '', ...inside] = gap.enter;
  const mount = (...args: readonly string[]): Promise<unknown> =>
    run(enter, [...inside, 'mount', ...args]);
  const layers = `lowerdir=/var/lib,upperdir=${at('var')},workdir=${at('var-work')}`;
  await mount('-t', 'overlay', 'overlay', '-o', layers, '/var/lib');
  await mount('--bind', at('media'), '/media');
  engine = isolatedEngine(at('engine'), { through: gap.enter });
  const path = `${at('bin')}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
  const env = { HOME: at('home'), PATH: `${at('scanner')}:${path}` };
  people = {
    engineer: await Typist.sit(at('desk'), env, answers, gap.enter),
    operator: await Typist.sit(at('bench'), { ...engine.env, PATH: path }, answers, gap.enter),
  };
  await type(
    'engineer',
    'mkdir ~/chat ~/db && cd ~/chat && stowage pki ~/keys && stowage pki ~/officer',
  );
  const trust = '--root release=../keys/root.pem --root officer=../officer/root.pem';
  await type(
    'engineer',
    `stowage trust init ${trust} --release release --approval officer --root-role release --output ~/1.trust.json`,
  );
  trusted = (await type('engineer', 'sha256sum ~/1.trust.json')).slice(0, 64);
  for (const [version, channel] of [
    ['1.3.0', 'stable'],
    ['1.4.0', 'candidate'],
  ] as const) {
    writeFileSync(at('home/chat/stowage.yaml'), manifest(version, channel));
    writeFileSync(at(`home/chat/notes-${version}.txt`), `notes of ${version}\n`);
    await type('engineer', 'stowage lock && stowage pack --no-installer');
    await type('engineer', `stowage sign chat-${version} ${KEYS}`);
  }
  await type('engineer', 'cp -r chat-1.3.0 ~/1.trust.json /media/stick/ && cd');
  await type(
    'operator',
    'stowage install /media/stick/chat-1.3.0 --trust /media/stick/1.trust.json',
  );
  key = /SHA-256 ([0-9a-f]{64})/.exec(await type('operator', 'stowage receipt show'))?.[1] ?? '';
});

afterAll(async () => {
  for (const each of Object.values(people ?? {})) await each.leave();
  await engine?.destroy();
  await gap?.destroy();
  rmSync(work, { recursive: true, force: true });
});

describe('when the page of fleets is typed as printed', () => {
  it.each(blocks)(
    'the commands in line $line work',
    async ({ line, commands, site: atSite, status }) => {
      const [first = ''] = commands;
      for (const [start, step] of Object.entries(before)) if (first.startsWith(start)) await step();
      for (const [index, command] of commands.entries()) {
        const side = atSite ? 'operator' : 'engineer';
        const { status: found, screen } = await people[side].type(asTyped(command), 240);
        const expected = index === commands.length - 1 ? status : 0;
        expect(found, `line ${line}: ${command}\n${screen}`).toBe(expected);
        if (!command.includes(' promote ') || command.includes('--check')) continue;
        expect(screen).toMatch(/stowage fleet sign \S+ --role approval\r?\n/);
        expect(await type('engineer', 'stowage fleet check', 5)).toContain('not in force yet');
      }
    },
    300_000,
  );

  it('leaves a fleet that is whole, and a site that did what was asked', async () => {
    expect(await type('engineer', 'stowage fleet check')).toContain(' verified');
    expect(await type('engineer', 'stowage fleet next')).toContain('nothing must travel');
    expect(await type('engineer', 'stowage fleet status --check')).toBe('');
  });

  it('parses alone only what needs a program that is not here', () => {
    const parsed = all
      .filter(({ notRun }) => notRun !== undefined)
      .flatMap((each) => each.commands);
    expect(parsed).toEqual([expect.stringContaining('--scanner ./trivy')]);
  });
});
