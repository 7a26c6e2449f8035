import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { KIB, MIB } from '../../src/core/limits.ts';
import { type AirGap, airGap } from '../lab/airgap.ts';
import { type Docker, isolatedDocker } from '../lab/docker.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { startUpstream } from '../lab/upstream.ts';
import { objectsOfEveryKind, untilProbesGone } from '../support/cluster-objects.ts';
import { type ClusterSite, startClusterSite } from '../support/cluster-site.ts';
import { noCluster, skipWithoutLab, startLabCluster } from '../support/kubernetes-lab.ts';
import { type CliOptions, type Ran, stowage } from './cli.ts';
import { type ConnectedSide, connectedSide, demoManifest } from './connected.ts';

// A release engineer with a fleet of three sites, one on each target, over four rounds. Only media and receipts go between them.

/** A site as its operator sees it. */
interface Place {
  readonly target: 'podman' | 'docker' | 'kubernetes';
  run(...args: readonly string[]): Promise<Ran>;
  /** Where its receipts lie. */
  readonly receipts: string;
  /** What its engine has of Stowage. */
  held(): Promise<string[]>;
}

const work = mkdtempSync(join(tmpdir(), 'fr-'));
const at = (...names: readonly string[]): string => join(work, ...names);
const fleetFolder = at('works');
const names = ['north', 'plant-5443', 'south'] as const;
type Name = (typeof names)[number];
const KEY = ['--key', 'pki/release.key.pem', '--certificate', 'pki/release.pem'];
let side: ConnectedSide;
let gap: AirGap;
let engine: Engine;
let docker: Docker;
let cluster: Cluster;
let plant: ClusterSite;
let places: Record<Name, Place>;
let home = 0;

async function must(running: Promise<Ran>, status = 0): Promise<Ran> {
  const ran = await running;
  expect(ran.status, `${ran.stdout}${ran.stderr}`).toBe(status);
  return ran;
}

const fleet = (...args: readonly string[]): Promise<Ran> =>
  side.run('fleet', ...args, '--fleet', fleetFolder);

/** What the engineer reads. */
async function screen(status: number, ...args: readonly string[]): Promise<string> {
  const options: CliOptions = { cwd: work, text: true };
  const ran = await must(stowage(options, 'fleet', ...args, '--fleet', fleetFolder), status);
  return ran.stdout;
}

const everywhere = <T>(visit: (place: Place, name: Name) => Promise<T>): Promise<T[]> =>
  Promise.all(names.map((name) => visit(places[name], name)));

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** A site on an engine of this machine. */
function engineSite(
  name: Name,
  target: 'podman' | 'docker',
  about: { readonly env: NodeJS.ProcessEnv; readonly through: readonly string[]; settings: string },
): Pick<Place, 'target' | 'run' | 'receipts'> {
  const folder = at(name);
  mkdirSync(folder);
  const { env, through, settings } = about;
  writeFileSync(
    join(folder, 'site.yaml'),
    `apiVersion: stowage/v1\nname: ${name}\ntarget: ${target}\n${settings}\n`,
  );
  const options = { cwd: work, env: { ...env, STOWAGE_SITE: folder }, through };
  return {
    target,
    run: (...args) => stowage(options, ...args),
    receipts: join(folder, 'receipts'),
  };
}

/** The networks that engines have from the start. */
const OWN_NETWORKS: ReadonlySet<string> = new Set(['podman', 'bridge', 'host', 'none']);

/** What an engine has: containers, images, volumes, networks, and the rules for networks. */
async function heldBy(
  engineCommand: (...args: readonly string[]) => Promise<string>,
  { run }: AirGap,
): Promise<string[]> {
  const found = await Promise.all([
    engineCommand('ps', '--all', '--format', '{{.Names}}'),
    engineCommand('images', '--format', '{{.Repository}}'),
    engineCommand('volume', 'ls', '--format', '{{.Name}}'),
    engineCommand('network', 'ls', '--format', '{{.Name}}'),
  ]);
  const { stdout } = await run('nft', ['list', 'tables']);
  const rules = [...stdout.matchAll(/^table inet (?!netavark).*$/gm)].map(([line]) => line);
  return [...found.flatMap(lines), ...rules].filter((each) => !OWN_NETWORKS.has(each));
}

/** Carries the receipts of sites home, and records them. */
async function receiptsHome(from: readonly Name[] = names): Promise<Ran> {
  home += 1;
  for (const name of from)
    cpSync(places[name].receipts, at('home', String(home), name), { recursive: true });
  return must(fleet('take', at('home', String(home))));
}

/** The same for several sites, one after the other: commands that change a fleet are. */
async function carryAll(
  from: Readonly<Partial<Record<Name, readonly string[]>>>,
  // biome-ignore lint/suspicious/noExplicitAny: as above
): Promise<Record<string, any>> {
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const carried: Record<string, any> = {};
  for (const name of names)
    if (from[name] !== undefined) carried[name] = await carry(name, ...from[name]);
  return carried;
}

/** Writes what must travel to a site, and checks that the media have as many bytes as was said. */
// biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
async function carry(name: Name, ...from: readonly string[]): Promise<any> {
  const media = at('media', `${home}-${name}`);
  const bundles = from.flatMap((each) => ['--from', each]);
  const { json } = await must(fleet('next', name, '--write', media, ...bundles, ...KEY));
  return {
    ...json,
    media: readdirSync(media)
      .toSorted()
      .reverse()
      .map((each) => join(media, each)),
  };
}

/** The media have as many bytes as the fleet says: the model of the release, and not its image. */
// biome-ignore lint/suspicious/noExplicitAny: as above
function expectIncrement({ dispatch, media }: any, release: string): void {
  const [{ name, version, bytes, total }] = dispatch.releases;
  expect(`${name} ${version}`).toBe(release);
  expect([bytes > 5 * MIB, bytes < 7 * MIB, total > 30 * MIB]).toEqual([true, true, true]);
  const lists = bytesIn(media.at(-1)) - bytes;
  // What bundle.json does not list: itself, SHA512SUMS and the signatures.
  expect([lists > 0, lists < 32 * KIB]).toEqual([true, true]);
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile())
    .reduce((sum, each) => sum + statSync(join(each.parentPath, each.name)).size, 0);
}

beforeAll(async () => {
  if (noCluster !== undefined) return;
  const lab = await startLabCluster({ nodes: 1 });
  if (lab === undefined) return;
  cluster = lab;
  const upstream = await startUpstream(at('upstream'));
  try {
    side = await connectedSide(work, upstream);
    const first = demoManifest(upstream, 8080);
    const candidate = `channel: candidate\n${first}`;
    await side.release(first, 'one', '--no-installer');
    const two = candidate.replace('1.0.0', '1.1.0').replace('@main', '@v2');
    await side.release(
      two.replace('air gap model is ready', 'second release'),
      'two',
      '--no-installer',
    );
    const three = candidate.replace('1.0.0', '1.2.0').replace('"512"', '"256"');
    await side.release(three, 'three', '--no-installer');
  } finally {
    await upstream.stop();
  }
  gap = await airGap({ ownRun: true });
  engine = isolatedEngine(at('p'), { through: gap.enter });
  docker = await isolatedDocker(at('d'));
  const folder = at('plant');
  plant = await startClusterSite({
    ...{ folder, cluster, side, port: 5443, first: at('one'), more: 'channel: stable\n' },
  });
  places = {
    north: {
      ...engineSite('north', 'podman', {
        ...{ env: engine.env, through: gap.enter },
        settings: 'channels: [stable, candidate]',
      }),
      held: () => heldBy(engine.podman, gap),
    },
    south: {
      ...engineSite('south', 'docker', {
        ...{ env: docker.env, through: docker.gap.enter },
        settings: 'channel: stable',
      }),
      held: () => heldBy(docker.docker, docker.gap),
    },
    'plant-5443': {
      target: 'kubernetes',
      run: plant.run,
      receipts: join(folder, 'site', 'receipts'),
      held: async () => {
        await untilProbesGone(cluster);
        return objectsOfEveryKind(cluster);
      },
    },
  };
});

beforeEach((test) => skipWithoutLab(test, cluster));

afterAll(async () => {
  await plant?.stop();
  await docker?.destroy();
  await engine?.destroy();
  await gap?.destroy();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

/** The operator imports the media in their order, and runs a command. */
async function act(name: Name, media: readonly string[], ...then: readonly string[]): Promise<Ran> {
  for (const each of media) await must(places[name].run('import', each));
  return must(places[name].run(...then));
}

/** What the fleet says of every site, one line each. */
async function seen(): Promise<string[]> {
  const { json } = await must(fleet('status'));
  // biome-ignore lint/suspicious/noExplicitAny: as above
  return json.sites.map(({ site, receipt, behind, problems, alarms, underWay }: any) => {
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const releases = receipt.state.releases.map(({ name, version }: any) => `${name} ${version}`);
    const late = behind[0] === undefined ? '' : `, ${behind[0].versions} behind`;
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const wrong = [...problems, ...alarms].map((each: any) => each.text).join('; ') || 'healthy';
    return `${site.name}: ${releases}${late}: ${wrong}${underWay === undefined ? '' : `; under way: ${underWay.asked}`}`;
  });
}

const all = (text: string): string[] => names.map((name) => `${name}: ${text}`);

/** What was asked of a site and what happened, the newest dispatch first, without times. */
async function askedOf(name: Name): Promise<string[]> {
  const text = await screen(0, 'show', name);
  const [, rows = ''] = /^WRITTEN +ASKED +HAPPENED\n([\s\S]*?)^RECEIPT /m.exec(text) ?? [];
  return lines(rows).map((line) =>
    line
      .replace(/^\S+ +/, '')
      .replace(/, \d{4}-\S+$/, '')
      .replace(/ {2,}/, ': '),
  );
}

describe('when a fleet of three sites lives through four rounds', () => {
  it('round 1: a bundle goes out, and the first receipts add the sites', async () => {
    const fingerprint = ['--fingerprint', side.fingerprint];
    const trust = ['--trust', side.root, ...fingerprint];
    await must(side.run('fleet', 'init', fleetFolder, '--name', 'works', ...trust));
    writeFileSync(
      join(fleetFolder, 'fleet.yaml'),
      `apiVersion: stowage/v1
name: works
channels:
  candidate: {}
  stable: { from: candidate, evidence: { healthy: { sites: 1, days: 0 } } }
`,
    );
    await must(fleet('add-release', at('one')));
    await everywhere(async ({ run, held }) => {
      expect(await held()).toEqual([]);
      const { json } = await must(run('install', at('one'), ...trust));
      expect(json.receipt.outcome).toBe('kept');
      // A container, its image, its network and the rules for it, or the objects of a cluster.
      expect((await held()).length).toBeGreaterThanOrEqual(4);
    });
    for (const name of names) {
      const { run, target } = places[name];
      // What the operator reads out to the engineer.
      const { json } = await must(run('receipt', 'show'));
      const channels = name === 'north' ? ['stable', 'candidate'] : ['stable'];
      const takes = channels.flatMap((each) => ['--channel', each]);
      const add = (key: string): Promise<Ran> =>
        fleet('add-site', json.file, '--fingerprint', key, ...takes, '--target', target, ...KEY);
      expect((await add('0'.repeat(64))).stderr).toContain('trust-unconfirmed');
      await must(add(json.fingerprint));
    }
    expect((await receiptsHome()).json.alarms).toEqual([]);
    expect(await seen()).toEqual(all('tiny-chat 1.0.0: healthy'));
    expect(await screen(0, 'status')).toMatch(
      /^fleet works: 3 sites, 0 failing, 0 need attention\nSITE +HEALTH +RECEIPT +RUNS\nnorth +healthy +0 d +tiny-chat 1\.0\.0\n/,
    );
    expect(await screen(0, 'status', '--check')).toBe('');
    expect(await screen(0, 'next')).toBe('nothing must travel\n');
  });

  it('round 2: a release goes to one site first, is promoted, and follows as an increment', async () => {
    await must(fleet('add-release', at('two')));
    expect(await seen()).toEqual([
      'north: tiny-chat 1.0.0, 1 behind: healthy',
      ...all('tiny-chat 1.0.0: healthy').slice(1),
    ]);
    const promote = ['promote', 'tiny-chat@1.1.0', '--to', 'stable'];
    expect(await screen(4, ...promote, '--check')).toContain('  MISSING: 1 site healthy with it');
    expect((await fleet(...promote, ...KEY)).stderr).toContain('promotion-blocked');
    const first = await carry('north', at('two'));
    expectIncrement(first, 'tiny-chat 1.1.0');
    expect((await seen())[0]).toMatch(/; under way: tiny-chat 1\.1\.0$/);
    await act('north', first.media, 'install', 'tiny-chat@1.1.0');
    await receiptsHome(['north']);
    expect(await screen(0, ...promote, '--check')).toContain('found: 1 site: north\n');
    await must(fleet(...promote, ...KEY));
    expect(await seen()).toEqual([
      'north: tiny-chat 1.1.0: healthy',
      ...all('tiny-chat 1.0.0, 1 behind: healthy').slice(1),
    ]);
    expect(await screen(0, 'next', 'south')).toMatch(
      /\n {2}notice: 1 promotion\n {2}1\. tiny-chat 1\.1\.0, replacing 1\.0\.0: 5\.8 MiB \(\d+ bytes\) of content that the site lacks, of a bundle of 33\.\d MiB /,
    );
    const carried = await carryAll({ 'plant-5443': [at('two')], south: [at('two')] });
    await everywhere(async ({ run }, name) => {
      const dispatched = carried[name];
      if (dispatched === undefined) return;
      expectIncrement(dispatched, 'tiny-chat 1.1.0');
      const [notice, increment] = dispatched.media;
      // Until the notice is imported, the release is not in the channel of the site.
      expect((await run('import', increment)).stderr).toContain('release-foreign');
      await act(name, [notice, increment], 'install', 'tiny-chat@1.1.0');
    });
    await receiptsHome();
    expect(await seen()).toEqual(all('tiny-chat 1.1.0: healthy'));
    expect(await screen(0, 'status', '--check')).toBe('');
    expect(await askedOf('north')).toEqual(['tiny-chat 1.1.0: runs']);
    for (const name of names.slice(1))
      expect(await askedOf(name)).toEqual([
        'notice 1 (1 promotion): imported',
        'tiny-chat 1.1.0: runs',
      ]);
  });

  it('round 3: a recall reaches every site by notice, and each goes back', async () => {
    const order = ['--versions', '1.1.0', '--reason', 'leaks memory', '--back-to', '1.0.0'];
    await must(fleet('recall', 'tiny-chat', ...order, ...KEY));
    const advice = 'recalled: leaks memory; next: upgrade, or go back to 1.0.0 or later';
    expect(lines(await screen(6, 'status', '--check'))).toEqual(
      all(`failing: runs tiny-chat 1.1.0, which is ${advice}`),
    );
    expect(await screen(0, 'releases')).toContain(
      `\n  still running: ${names.join(', ')}\n  no receipt since: no site\n  confirmed by 0 sites\n`,
    );
    const carried = await carryAll({ north: [], 'plant-5443': [], south: [] });
    await everywhere(async ({ run }, name) => {
      const { media, dispatch, output } = carried[name];
      expect(dispatch.releases).toEqual([]);
      expect(bytesIn(output)).toBeLessThan(16 * KIB);
      // The notice alone changes nothing that runs.
      const { json } = await act(name, media, 'status');
      expect(json.services).toMatchObject([{ state: { state: 'running' }, drift: [] }]);
      const failing = await must(run('status', '--check'), 6);
      expect(failing.json.problems[0].found).toContain('stowage rollback --to 1');
      await must(run('rollback'));
      expect((await run('install', 'tiny-chat@1.1.0')).stderr).toContain('release-recalled');
    });
    await receiptsHome();
    expect(await seen()).toEqual(all('tiny-chat 1.0.0: healthy'));
    expect(await screen(0, 'status', '--check')).toBe('');
    const told = names.join(', ');
    expect(await screen(0, 'releases')).toContain(
      `\n  still running: no site\n  held, not running: ${told}\n  no receipt since: no site\n  confirmed by 3 sites\n  imported by notice: ${told}\n`,
    );
    expect((await askedOf('south'))[0]).toBe('notice 2 (1 recall): imported');
    expect(await screen(0, 'next')).toBe('nothing must travel\n');
  });

  it('round 4: a fixed release follows, nobody can go back, and everything is healthy', async () => {
    await must(fleet('add-release', at('three')));
    const first = await carry('north', at('three'));
    await act('north', first.media, 'install', 'tiny-chat@1.2.0');
    await receiptsHome(['north']);
    await must(fleet('promote', 'tiny-chat@1.2.0', '--to', 'stable', ...KEY));
    const order = ['--versions', '<1.2.0', '--reason', 'mixes up users', '--forward'];
    await must(fleet('recall', 'tiny-chat', ...order, ...KEY));
    expect(lines(await screen(6, 'status', '--check'))).toEqual(
      all('failing: runs tiny-chat 1.0.0, which is recalled: mixes up users; next: upgrade').slice(
        1,
      ),
    );
    // The site has the model of 1.0.0: only the lists travel.
    const carried = await carryAll({
      ...{ north: [], 'plant-5443': [at('three')], south: [at('three')] },
    });
    await everywhere(async ({ run }, name) => {
      const { media, output } = carried[name];
      expect(bytesIn(output)).toBeLessThan(64 * KIB);
      const [notice, ...increment] = media;
      await must(run('import', notice));
      if (increment.length > 0) {
        // It holds what it runs until the release that the recall leads to is there.
        expect((await run('install', 'tiny-chat@1.1.0')).stderr).toContain('release-recalled');
        await act(name, increment, 'install', 'tiny-chat@1.2.0');
      }
      expect((await run('rollback')).stderr).toContain('release-recalled');
      await must(run('receipt', 'write'));
    });
    expect((await receiptsHome()).json.alarms).toEqual([]);
    expect(await seen()).toEqual(all('tiny-chat 1.2.0: healthy'));
    expect(await screen(0, 'status', '--check')).toBe('');
    expect(await screen(0, 'next')).toBe('nothing must travel\n');
    for (const name of names)
      expect((await askedOf(name)).filter((each) => !/: (?:imported|runs)$/.test(each))).toEqual(
        [],
      );
    expect(await screen(0, 'check')).toMatch(/ verified; the index is up to date\n$/);
  });

  it('leaves nothing on any engine once the release is uninstalled', async () => {
    await everywhere(async ({ run, held }) => {
      await must(run('uninstall', 'tiny-chat'));
      expect(await held()).toEqual([]);
    });
    await receiptsHome();
    expect(await seen()).toEqual(all(': healthy'));
    expect(await screen(0, 'status', '--check')).toBe('');
  });
});
