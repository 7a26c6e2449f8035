import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MIB } from '../../src/core/limits.ts';
import { type AirGap, airGap, assertNoWayOut } from '../lab/airgap.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { end, run } from '../lab/process.ts';
import { type Answers, Typist } from '../lab/typist.ts';
import { ggufFile } from '../lab/weights.ts';
import { commandsOfPage, hopsPage } from '../support/documents.ts';
import { pattern } from '../support/small-bundle.ts';
import { type Ran, stowage } from './cli.ts';
import { type ConnectedSide, connectedSide } from './connected.ts';

// The page of hops, typed by the people of several hosts in one network without a way out.
const project = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(project, hopsPage), 'utf8');
const blocks = commandsOfPage(page).filter(({ notRun }) => notRun === undefined);
/** Who types each block. */
const typists = ['depot', 'host', 'host', 'hub', 'second', 'hub'] as const;
const TOKEN = 'a-token-of-this-network';
const tensor = pattern(8 * MIB, 'weights');
const head = ggufFile({ tensors: [{ dims: [2 * MIB] }] });
const weights = Buffer.concat([head, tensor]);
const work = mkdtempSync(join(tmpdir(), 'hop-'));
const at = (...names: readonly string[]): string => join(work, ...names);
const people = new Map<string, Typist>();
let side: ConnectedSide;
let gap: AirGap;
let engine: Engine;
let registry: ChildProcess | undefined;

const answers: Answers = [
  [
    /last 16 digits of its SHA-256 fingerprint from your paper copy: $/,
    () => side.fingerprint.replaceAll(':', '').toLowerCase().slice(-16),
  ],
  [/Username: ?$/, () => 'host'],
  [/Password: ?$/, () => TOKEN],
];

const siteOf = (name: string): string => at(name === 'depot' ? 'hub' : name, 'site');

async function must(running: Promise<Ran>): Promise<Ran> {
  const ran = await running;
  expect(ran.status, `${ran.stdout}${ran.stderr}`).toBe(0);
  return ran;
}

const atSite = (name: string, ...args: readonly string[]): Promise<Ran> =>
  must(stowage({ cwd: work, env: { STOWAGE_SITE: siteOf(name) } }, ...args));

const trusted = (): string[] => ['--trust', side.root, '--fingerprint', side.fingerprint];

function manifest(version: string): string {
  return `apiVersion: stowage/v1
name: chat
version: ${version}
platforms: [linux/amd64]
files:
  - name: weights
    source: ./model.gguf
  - name: settings
    source: ./settings-${version}.json
`;
}

/** A certificate of the site's CA for these names, in `NAME.crt` and `NAME.key`. */
async function certificate(name: string, alternatives: string): Promise<void> {
  const [key, request, out] = [at(`${name}.key`), at(`${name}.csr`), at(`${name}.crt`)];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];
  await run('openssl', ['req', ...curve, '-keyout', key, '-out', request, '-subj', `/CN=${name}`]);
  writeFileSync(at('names'), `subjectAltName=${alternatives}\n`);
  const ca = ['-CA', at('site-ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial'];
  const from = ['-req', '-in', request, '-extfile', at('names'), '-days', '30'];
  await run('openssl', ['x509', ...from, ...ca, '-out', out]);
}

async function untilServed(url: string): Promise<void> {
  const deadline = performance.now() + 120_000;
  for (;;) {
    const { status } = await gap.run('curl', ['--silent', '--cacert', at('site-ca.crt'), url]);
    if (status === 0) return;
    if (performance.now() > deadline) throw new Error(`nothing at ${url}`);
    await delay(200);
  }
}

async function prepareNetwork(): Promise<void> {
  gap = await airGap({ ownRun: true });
  const [enter = '', ...inside] = gap.enter;
  const mount = (...args: readonly string[]): Promise<unknown> =>
    run(enter, [...inside, 'mount', ...args]);
  for (const each of ['etc/containers/certs.d', 'etc-work', 'media/stick', 'var', 'var-work'])
    mkdirSync(at(each), { recursive: true });
  writeFileSync(
    at('etc/hosts'),
    '127.0.0.1 localhost\n10.0.0.5 depot.site\n10.0.0.6 registry.site\n',
  );
  for (const host of ['depot.site:5443', 'registry.site']) {
    mkdirSync(at('etc/containers/certs.d', host));
    copyFileSync(at('site-ca.crt'), at('etc/containers/certs.d', host, 'ca.crt'));
  }
  const layers = (name: string): string => `upperdir=${at(name)},workdir=${at(`${name}-work`)}`;
  await mount('-t', 'overlay', 'overlay', '-o', `lowerdir=/etc,${layers('etc')}`, '/etc');
  await mount('-t', 'overlay', 'overlay', '-o', `lowerdir=/var/lib,${layers('var')}`, '/var/lib');
  await mount('--bind', at('media'), '/media');
  for (const address of ['10.0.0.5/32', '10.0.0.6/32'])
    await run(enter, [...inside, 'ip', 'address', 'add', address, 'dev', 'lo']);
}

async function startRegistry(): Promise<void> {
  const http = { addr: '10.0.0.6:443', secret: 'none' };
  const tls = { certificate: at('registry.crt'), key: at('registry.key') };
  const storage = { filesystem: { rootdirectory: at('registry') } };
  // JSON is YAML.
  writeFileSync(
    at('registry.yml'),
    JSON.stringify({ version: 0.1, storage, http: { ...http, tls } }),
  );
  const [enter = '', ...inside] = gap.enter;
  const serve = ['setpriv', '--pdeathsig=KILL', 'docker-registry', 'serve', at('registry.yml')];
  registry = spawn(enter, [...inside, ...serve], { stdio: 'ignore' });
  await untilServed('https://registry.site/v2/');
}

beforeAll(async () => {
  side = await connectedSide(work, { hub: { url: 'http://127.0.0.1:9' } });
  writeFileSync(at('model.gguf'), weights);
  for (const version of ['1.0.0', '1.1.0']) {
    writeFileSync(at(`settings-${version}.json`), `{"version":"${version}"}`);
    await side.release(manifest(version), `chat-${version}`, '--no-installer');
    await atSite('hub', 'import', `chat-${version}`, ...trusted());
  }
  await atSite('plant-7', 'import', 'chat-1.0.0', ...trusted());
  const { json } = await atSite('plant-7', 'receipt', 'write');
  for (const each of ['json', 'p7s'])
    copyFileSync(json.file.replace(/json$/, each), at('hub', `plant-7.${each}`));
  const ca = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];
  const files = ['-keyout', at('ca.key'), '-out', at('site-ca.crt'), '-days', '30'];
  await run('openssl', ['req', ...ca, ...files, '-subj', '/CN=Site CA']);
  await certificate('depot', 'DNS:depot.site,IP:10.0.0.5');
  await certificate('registry', 'DNS:registry.site');
  for (const each of ['depot.crt', 'depot.key']) copyFileSync(at(each), at('hub', each));
  writeFileSync(at('hub/hosts.tokens'), `host:${TOKEN}\n`, { mode: 0o600 });
  mkdirSync(at('bin'));
  const node = join(project, 'node_modules/.bin/node');
  writeFileSync(
    at('bin/stowage'),
    `#!/bin/sh\nexec ${node} ${join(project, 'dist/main.js')} "$@"\n`,
  );
  chmodSync(at('bin/stowage'), 0o755);
  await prepareNetwork();
  engine = isolatedEngine(at('engine'), { through: gap.enter });
  for (const name of ['depot', 'host', 'hub', 'second']) {
    const place = at(name === 'depot' ? 'hub' : name);
    mkdirSync(place, { recursive: true });
    for (const each of ['site-ca.crt', 'root.pem'])
      copyFileSync(each === 'root.pem' ? side.root : at(each), join(place, each));
    const env = {
      ...engine.env,
      ...{ HOME: place, STOWAGE_SITE: siteOf(name), TOKEN, PLANT_7: json.fingerprint },
      PATH: `${at('bin')}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    };
    // Two shells in one folder need a pipe each.
    const bench = join(place, `bench-${name}`);
    people.set(name, await Typist.sit(bench, env, answers, gap.enter));
    await people.get(name)?.type(`cd ${place}`, 20);
  }
  await startRegistry();
});

afterAll(async () => {
  for (const each of people.values()) await each.leave();
  if (registry !== undefined && registry.exitCode === null) {
    const gone = once(registry, 'exit');
    await end(registry, 'SIGKILL');
    await gone.catch(() => undefined);
  }
  await engine?.destroy();
  await gap?.destroy();
  rmSync(work, { recursive: true, force: true });
});

describe('when one disc serves many hosts and the next network', () => {
  it('has no connection to the outside, and a page whose blocks are all typed', async () => {
    await assertNoWayOut(gap.enter);
    expect(blocks).toHaveLength(typists.length);
    // A download that broke off.
    writeFileSync(at('host/model.gguf'), weights.subarray(0, 3 * MIB));
  });

  it.each(blocks.map((block, index) => ({ ...block, who: typists[index] ?? '' })))(
    'the commands of the page in line $line work as printed, typed at $who',
    async ({ line, commands, who }) => {
      const person = people.get(who);
      if (person === undefined) throw new Error(`nobody at ${who}`);
      for (const command of commands) {
        if (who === 'depot') {
          // It serves until the end.
          void person.type(command, 600);
          await untilServed('https://10.0.0.5:5443/v2/');
          continue;
        }
        const { status, screen } = await person.type(command, 240);
        expect(status, `line ${line}: ${command}\n${screen}`).toBe(0);
      }
    },
    400_000,
  );

  it('the download was resumed, and has the bytes that were packed', () => {
    expect(readFileSync(at('host/model.gguf')).equals(weights)).toBe(true);
  });

  it('every host has the release, and the next networks take what was exported', async () => {
    for (const name of ['host', 'second'])
      expect(readdirSync(join(siteOf(name), 'releases'))).toHaveLength(1);
    cpSync(at('media/stick'), at('carried'), { recursive: true });
    await atSite('next', 'import', at('carried/chat-1.1.0'), ...trusted());
    const { json } = await atSite('plant-7', 'import', at('carried/chat-1.1.0-plant-7'));
    expect(json).toMatchObject({ complete: true, version: '1.1.0' });
    await atSite('by-discs', 'import', at('hub/chat-1.1.0-discs'), ...trusted());
    const seen = await must(
      stowage({ cwd: work }, 'inspect', at('carried/chat-1.1.0'), '--trust', side.root),
    );
    expect(seen.json.hops).toHaveLength(1);
  });
});
