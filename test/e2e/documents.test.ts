import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Terminal } from '../../src/cli/command.ts';
import { everyGroup } from '../../src/cli/every-group.ts';
import { commanderStatus, createProgram } from '../../src/cli/program.ts';
import { type AirGap, airGap } from '../lab/airgap.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { run } from '../lab/process.ts';
import { type Answers, Typist } from '../lab/typist.ts';
import { startUpstream, type Upstream } from '../lab/upstream.ts';
import {
  type CommandBlock,
  callsOf,
  commandsOfGuide,
  commandsOfPage,
  WITH_FLEET_PAGE,
} from '../support/documents.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'docs-'));
const at = (...names: readonly string[]): string => join(work, ...names);
const home = (...names: readonly string[]): string => at('home', ...names);
const read = (path: string): string => readFileSync(path, 'utf8');
const counted = { run: 0, parsed: 0 };
let upstream: Upstream;
let gaps: Record<Side, AirGap>;
let engine: Engine;
/** A user on each side of the gap. Both use the same drive. */
let people: Record<Side, Typist>;

type Side = 'connected' | 'site';

beforeAll(async () => {
  for (const each of ['home', 'site-home', 'media/stick']) mkdirSync(at(each), { recursive: true });
  upstream = await startUpstream(at('upstream'));
  gaps = { connected: await airGap({ ownRun: true }), site: await airGap({ ownRun: true }) };
  for (const url of [upstream.hub.url, upstream.registry.url])
    await gaps.connected.reach(Number(new URL(url).port));
  for (const { enter } of Object.values(gaps)) {
    const [command = '', ...inside] = enter;
    await run(command, [...inside, 'mount', '--bind', at('media'), '/media']);
    for (const place of ['/usr/local/bin', '/dev/shm', '/var/tmp'])
      await run(command, [...inside, 'mount', '-t', 'tmpfs', 'tmpfs', place]);
  }
  // A private mount, so that the site's folder /var/lib/stowage is not that of this machine.
  for (const each of ['var', 'var-work']) mkdirSync(at(each));
  const layers = `lowerdir=/var/lib,upperdir=${at('var')},workdir=${at('var-work')}`;
  const [enter = '', ...inside] = gaps.site.enter;
  await run(enter, [...inside, 'mount', '-t', 'overlay', 'overlay', '-o', layers, '/var/lib']);
  engine = isolatedEngine(at('engine'), { through: gaps.site.enter });
  const path = '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  const [connected, site] = [
    { HOME: home(), PATH: `${join(project, 'scripts')}:${path}`, HF_ENDPOINT: upstream.hub.url },
    { ...engine.env, HOME: at('site-home'), PATH: path },
  ];
  people = {
    connected: await Typist.sit(at('desk'), connected, answers, gaps.connected.enter),
    site: await Typist.sit(at('bench'), site, answers, gaps.site.enter),
  };
});

afterAll(async () => {
  for (const each of Object.values(people ?? {})) await each.leave();
  await engine?.destroy();
  for (const each of Object.values(gaps ?? {})) await each.destroy();
  await upstream?.stop();
  rmSync(work, { recursive: true, force: true });
  console.log(`commands of the documents: ${counted.run} ran, ${counted.parsed} were parsed alone`);
});

const PIN = '648219';
const PASSPHRASE = 'correct horse battery staple';

/** Prompts on the terminal, and the reader's answers. */
const answers: Answers = [
  [
    /To be trusted: trust document 1\s[\s\S]*from your paper copy: $/,
    () => (screens.get('sha256sum trust/1.trust.json') ?? '').slice(48, 64),
  ],
  [
    /last 16 digits of its SHA-256 fingerprint from your paper copy: $/,
    () => fingerprint().slice(-16),
  ],
  [
    /(?:Encryption Password|pass phrase for \S+|[Pp]assphrase of \S+|[Pp]assphrase.*): ?$/,
    () => PASSPHRASE,
  ],
  [/PIN(?: for .*)?: ?$/, () => PIN],
];

/** As printed by `stowage pki` and written on paper. */
function fingerprint(): string {
  const screen = screens.get('stowage pki ~/keys') ?? '';
  return /\(SHA-256\): ([0-9a-f]{64})/.exec(screen)?.[1] ?? '';
}

/** The output of each command that ran. */
const screens = new Map<string, string>();

/** The bundle of README.md as it was before it was signed. */
const UNSIGNED = 'cp -rl ~/chat/chat-1.0.0 . && rm -r chat-1.0.0/signatures';

const pageOf = (path: string): CommandBlock[] => commandsOfPage(read(join(project, path)));

/** What a page does not mention: the working folder, and files that already exist there. */
async function type(side: Side, command: string): Promise<void> {
  const { status, screen } = await people[side].type(command, 120);
  expect(status, screen).toBe(0);
}

/** What the reader does before the block that begins with a command. */
const between: Readonly<Record<string, Readonly<Record<string, () => Promise<void> | void>>>> = {
  'signing/CEREMONY.md': {
    'stowage sign chat-1.0.0': () =>
      type('connected', `echo '${PASSPHRASE}' > /dev/shm/passphrase`),
  },
  'signing/README.md': {
    'stowage trust init': () =>
      type('connected', 'stowage pki keeper && cp keeper/root.pem keeper.pem'),
  },
  'signing/KEYS.md': {
    'stowage sign chat-1.0.0 --key release.key.pem --certificate release.pem --passphrase-fd': () =>
      type('connected', 'rm -r chat-1.0.0/signatures'),
    'stowage verify': () =>
      type(
        'connected',
        'stowage pki officer && cp officer/release.key.pem officer.key.pem && cp officer/release.pem officer.pem',
      ),
    'stowage sign chat-1.0.0 --certificate release.pem --prepare': () =>
      type('connected', 'rm -r chat-1.0.0/signatures'),
    'stowage sign chat-1.0.0 --certificate release.pem --signer-command': () =>
      type('connected', 'rm -r chat-1.0.0/signatures'),
  },
  'manifests/README.md': {
    // A site that has the bundle, and somebody who carried its receipt home.
    'stowage pack --for vault.json': async () => {
      const root = at('second-site');
      const { screen } = await people.site.type(
        `STOWAGE_ROOT=${root} stowage receipt write --hold 90d`,
        120,
      );
      const key = /certificate SHA-256 ([0-9a-f]{64})/.exec(screen)?.[1];
      const receipt = `$(ls ${root}/receipts/*.json | tail -n 1)`;
      await type('connected', `cp -r ~/chat ~/increments && cd ~/increments && VAULT=${key}`);
      await type(
        'connected',
        `cp ${receipt} vault.json && cp $(ls ${root}/receipts/*.p7s | tail -n 1) vault.p7s`,
      );
      await type('connected', 'mv chat-1.0.0 nemotron-chat-1.4.0 && rm -r chat-1.1.0');
    },
    // Where the reader of OPERATOR.txt imported it.
    'stowage stop chat': () =>
      type('site', `export STOWAGE_ROOT=${at('second-site')} && stowage install chat`),
  },
  'manifests/MEDIA.md': {
    'cd /media/stick': () => type('site', 'touch /media/stick/chat-1.0.0/.DS_Store'),
    // A disc without its largest file, at another site.
    'stowage repair-list': async () => {
      await type('site', `export STOWAGE_ROOT=${at('fifth-site')}`);
      await type('site', 'rm -r .DS_Store $(ls -S blobs/sha256/* | head -n 1)');
      const trust = `--trust /media/stick/root.pem --fingerprint ${fingerprint()}`;
      await type('site', `! stowage import . ${trust}`);
    },
  },
  'README.md': {
    // Step 1 allows edits: here the model and the server of the lab.
    'stowage lock': () => {
      const text = read(join(project, 'manifests/demo.yaml'))
        .replace('name: tiny-chat', 'name: chat')
        .replace('127.0.0.1:15000', upstream.registry.host);
      writeFileSync(home('chat/stowage.yaml'), text);
    },
  },
};

const nowhere = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() });

const terminal: Terminal = {
  ...{ stdout: nowhere(), stderr: nowhere(), stdin: Readable.from([]) },
  ...{
    env: {},
    cwd: '/',
    home: '/',
    uid: 1000,
    root: false,
    hostSite: '/',
    program: '/main.ts',
    now: () => new Date(0),
  },
  signal: new AbortController().signal,
  runtime: { node: '', openssl: '', sharedOpenssl: false, flags: [], libraries: () => [] },
};

/** Whether commander accepts the arguments: each option exists, and the number of arguments is right. */
async function parses(words: readonly string[]): Promise<string> {
  try {
    await createProgram(terminal, async () => {}, everyGroup).parseAsync(words, { from: 'user' });
  } catch (error) {
    if (commanderStatus(error) !== 0) return String(error);
  }
  return 'parsed';
}

async function follow(page: string, blocks: readonly CommandBlock[]): Promise<void> {
  expect(blocks, page).not.toHaveLength(0);
  for (const block of blocks) {
    const where = `${page}:${block.line}`;
    // The value of a variable that the page sets before.
    const inserted = (word: string): string =>
      ['$PAPER', '$VAULT'].includes(word) ? fingerprint() : word;
    for (const words of block.commands.flatMap(callsOf).map((each) => each.map(inserted)))
      expect(await parses(words), `${where}: stowage ${words.join(' ')}`).toBe('parsed');
    if (block.notRun !== undefined) {
      if (block.notRun !== WITH_FLEET_PAGE) counted.parsed += block.commands.length;
      continue;
    }
    const [first = ''] = block.commands;
    for (const [start, step] of Object.entries(between[page] ?? {}))
      if (first.startsWith(start)) await step();
    for (const [index, command] of block.commands.entries()) {
      const { status, screen } = await people[block.site ? 'site' : 'connected'].type(command, 120);
      screens.set(command, screen);
      const expected = index === block.commands.length - 1 ? block.status : 0;
      expect(status, `${where}: ${command}\n${screen}`).toBe(expected);
      counted.run += 1;
    }
  }
}

describe('when the commands of a page are typed as printed', () => {
  it('README.md', () => follow('README.md', pageOf('README.md')));

  it('OPERATOR.txt', async () => {
    const bundle = at('media/stick/chat-1.0.0');
    const text = read(join(bundle, 'OPERATOR.txt'))
      .replace('/path/to/ROOT.pem', '/media/stick/root.pem')
      .replace('digits-on-the-paper', fingerprint());
    await type('site', `export STOWAGE_ROOT=${at('second-site')} && cd /media/stick/chat-1.0.0`);
    await follow('OPERATOR.txt', commandsOfGuide(text));
  });

  it('signing/CEREMONY.md', async () => {
    await type(
      'connected',
      `mkdir ~/ceremony && cd ~/ceremony && cp ${project}/signing/openssl.cnf . && ${UNSIGNED}`,
    );
    await follow('signing/CEREMONY.md', pageOf('signing/CEREMONY.md'));
  });

  it('signing/README.md', async () => {
    await type('site', 'unset STOWAGE_ROOT');
    await follow('signing/README.md', pageOf('signing/README.md'));
  });

  it('signing/ACCREDITATION.md', async () => {
    await type('connected', 'mkdir ~/accreditation && cd ~/accreditation');
    await type('connected', 'cp -r ~/chat/chat-1.0.0 . && cp ~/keys/root.pem .');
    await follow('signing/ACCREDITATION.md', pageOf('signing/ACCREDITATION.md'));
  });

  it('signing/KEYS.md', async () => {
    await type(
      'connected',
      `cd ~/ceremony && rm -r chat-1.0.0 && ${UNSIGNED} && cp ${project}/signing/pkcs11-sign.sh .`,
    );
    await follow('signing/KEYS.md', pageOf('signing/KEYS.md'));
  });

  it('signing/TRUST.md', async () => {
    await type('connected', 'mkdir ~/chain && cd ~/chain');
    await type('site', `export STOWAGE_ROOT=${at('third-site')} && cd ${home('chain')}`);
    await follow('signing/TRUST.md', pageOf('signing/TRUST.md'));
  });

  it('manifests/README.md', () => follow('manifests/README.md', pageOf('manifests/README.md')));

  it('manifests/MEDIA.md', async () => {
    const trust = `--trust /media/stick/root.pem --fingerprint ${fingerprint()}`;
    await type('site', `export STOWAGE_ROOT=${at('fourth-site')}`);
    await type('site', `stowage import /media/stick/chat-1.0.0 ${trust}`);
    await follow('manifests/MEDIA.md', pageOf('manifests/MEDIA.md'));
  });

  it('CONTRIBUTING.md', async () => {
    await type('connected', `cd ${project}`);
    await follow('CONTRIBUTING.md', pageOf('CONTRIBUTING.md'));
  });

  it('nearly all of them', () => {
    expect(counted.run).toBeGreaterThan(120);
    expect(counted.parsed).toBeLessThan(53);
  });
});
