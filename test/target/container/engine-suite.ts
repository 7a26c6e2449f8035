import { mkdtempSync, readFileSync, readlinkSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestHex, parseDigest } from '../../../src/core/digest.ts';
import { MIB } from '../../../src/core/limits.ts';
import type {
  RenderedImage,
  RenderedNetwork,
  RenderedService,
} from '../../../src/format/containers.ts';
import type { RenderedEgress } from '../../../src/format/egress.ts';
import { specificationOf } from '../../../src/target/container/container-arguments.ts';
import type { ContainerEngine, NewNetwork } from '../../../src/target/container/engine.ts';
import { controlGroupUse } from '../../../src/target/host/control-group.ts';
import { capture, until } from '../../lab/process.ts';
import { expectCode } from '../../support/error.ts';
import { skipBecause } from '../../support/skip-because.ts';
import { service } from './services.ts';

/** A target to be tried, with an image of `shell-image.ts` in a depot. */
export interface Bench {
  readonly target: ContainerEngine;
  readonly image: RenderedImage;
  readonly depotHost: string;
}

/** A target whose containers are real. */
export interface EngineBench extends Bench {
  readonly engine: 'podman' | 'docker';
  readonly env: NodeJS.ProcessEnv;
  readonly secretFolder: string;
  /** The entrance of the namespaces that the engine's program runs in; none for a daemon's. */
  readonly through: readonly string[];
  /** Mode and owner of a secret's file as its service sees it. */
  readonly secretAccess: string;
  /** Everything that the engine holds, one line for each container, image, volume, network and secret. */
  held(): Promise<string>;
  /** Runs the engine's program. */
  call(...args: readonly string[]): Promise<string>;
  /** What answers at a port of this host, on 127.0.0.1 unless another address is given; its error when nothing does. */
  fetch(port: number, address?: string): Promise<string>;
  /** Runs a program where the engine has its networks. */
  beside(command: string, ...args: readonly string[]): Promise<string>;
  /** An IPv6 address of this host on which the engine can publish ports. */
  readonly ipv6: string;
}

/** What `killed.ts` is told. */
export interface Order {
  readonly engine: EngineBench['engine'];
  readonly method: 'startService' | 'stopService' | 'loadImage';
  readonly service: RenderedService;
  readonly depotHost: string;
  readonly secretFolder: string;
  readonly through: readonly string[];
  readonly dieAt: number;
}

const { signal } = new AbortController();
const RELEASE = 'shell-1';
/** Waits for SIGTERM, which the first process of a container otherwise ignores. */
const STAY = "trap 'exit 0' TERM; sleep 1000 & wait";
const SERVE = `echo hello > /tmp/index.html; busybox httpd -p 8080 -h /tmp; ${STAY}`;

/** More than the limits of this process would need rights that it may lack. */
export const LIMITS: NonNullable<RenderedService['ulimits']> = {
  ...{ memlock: MIB, nofile: 1024, stack: 4 * MIB },
};

/** Compares what `/proc/self/limits` says in a container with {@link LIMITS}. */
export function expectLimits(text: string): void {
  for (const [name, value] of [
    ['Max locked memory', LIMITS.memlock],
    ['Max open files', LIMITS.nofile],
    ['Max stack size', LIMITS.stack],
  ])
    expect(text).toMatch(new RegExp(`^${name} +${value} +${value} `, 'm'));
}

/** Whether this process has CAP_SYS_RESOURCE (capabilities(7)), the bit 24. */
function mayRaiseLimits(): boolean {
  const [, hex = '0'] =
    /^CapEff:\t([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return (BigInt(`0x${hex}`) & (1n << 24n)) !== 0n;
}

/** What every target does, whatever it drives: each method twice ends where once does. */
export function everyTarget(bench: () => Bench): void {
  const shell = (values: Partial<RenderedService> = {}): RenderedService =>
    service({ image: bench().image, args: [STAY], network: 'none', ...values });

  describe('when a method is called twice', () => {
    it('loads, starts, replaces, stops and forgets once', async () => {
      const { target, image, depotHost } = bench();
      const each = shell();
      for (const _ of 'ab') await target.loadImage(image, depotHost, signal);
      expect(await target.hasImage(image, signal)).toBe(true);
      for (const _ of 'ab') await target.startService(each, signal);
      expect(await target.inspectService(each, signal)).toMatchObject({ state: 'running' });
      const next = shell({ args: [`true; ${STAY}`] });
      for (const _ of 'ab') await target.startService(next, signal);
      expect(await target.inspectService(next, signal)).toMatchObject({
        state: 'running',
        specification: specificationOf(next),
      });
      for (const _ of 'ab') await target.stopService(next, signal);
      expect(await target.inspectService(next, signal)).toEqual({
        state: 'absent',
        detail: '',
        drift: [],
      });
      for (const _ of 'ab') await target.unloadImage(image, signal);
      expect(await target.hasImage(image, signal)).toBe(false);
    });

    it('keeps networks and secrets once, and forgets them', async () => {
      const { target } = bench();
      const network = { name: 'stowage-shell-1', release: RELEASE, internal: true };
      for (const _ of 'ab') await target.createNetwork(network, signal);
      for (const _ of 'ab') await target.removeNetwork(network, signal);
      const secret = 'stowage-shell-1-token-0123456789ab';
      expect(await target.hasSecret(secret, signal)).toBe(false);
      for (const _ of 'ab') await target.placeSecret(secret, Buffer.from('one'), signal);
      expect(await target.hasSecret(secret, signal)).toBe(true);
      for (const _ of 'ab') await target.removeSecret(secret, signal);
      expect(await target.hasSecret(secret, signal)).toBe(false);
    });

    it('refuses an image that the depot does not have, and has none then', async () => {
      const { target, image, depotHost } = bench();
      const other = { ...image, manifest: parseDigest(`sha256:${'0'.repeat(64)}`) };
      const absent = { ...other, config: other.manifest };
      await expectCode(() => target.loadImage(absent, depotHost, signal), 'engine-failed');
      expect(await target.hasImage(absent, signal)).toBe(false);
    });

    it('says which engine it is', async () => {
      const found = await bench().target.probe(signal);
      expect(found.engine).toBe(bench().target.name);
      expect(found.version).toMatch(/^[0-9]/);
    });

    it('stops when it is told to', async () => {
      const aborted = AbortSignal.abort();
      await expectCode(() => bench().target.startService(shell(), aborted), 'interrupted');
    });
  });
}

/** What every engine does for real, seen from inside the containers and from this host. */
export function everyEngine(bench: () => EngineBench): void {
  const within: RenderedNetwork = { name: 'stowage-shell-1', release: RELEASE, internal: true };
  const outward = { name: 'stowage-shell-1--published', release: RELEASE, internal: false };
  const restricted = (name: string, egress: readonly RenderedEgress[]): NewNetwork => {
    return { ...{ release: RELEASE, internal: false, egress }, name: `stowage-shell-1--${name}` };
  };
  const token = 'stowage-shell-1-token-0123456789ab';
  let before: string;

  const script = (text: string, values: Partial<RenderedService> = {}): RenderedService =>
    service({
      release: RELEASE,
      image: bench().image,
      args: [text],
      network: 'none',
      user: '10001:10001',
      ...values,
    });
  const named = (name: string, text: string, values: Partial<RenderedService> = {}) =>
    script(text, { name, unit: `stowage-${RELEASE}-${name}`, ...values });
  const logOf = (each: RenderedService, pattern: RegExp): Promise<string> =>
    until(`a log with ${pattern}`, 30, async () => {
      const text = await bench().target.logs(each, 500, signal);
      return pattern.test(text) ? text : undefined;
    });
  const inside = async (each: RenderedService, text: string): Promise<string> => {
    const { output } = await bench().target.runInside(each, ['/bin/sh', '-c', text], signal);
    return output;
  };

  beforeAll(async () => {
    before = await bench().held();
    await bench().target.loadImage(bench().image, bench().depotHost, signal);
  });

  afterAll(async () => {
    await bench().target.unloadImage(bench().image, signal);
    expect(await bench().held()).toBe(before);
  });

  describe('when an image exists', () => {
    it('is known by its tag alone, and stays while a container uses it', async () => {
      const { target, image } = bench();
      const each = script(STAY);
      await target.startService(each, signal);
      await target.unloadImage(image, signal);
      expect(await target.hasImage(image, signal)).toBe(true);
      expect(await bench().call('images', '--all', '--digests')).not.toContain('127.0.0.1');
      await target.stopService(each, signal);
    });

    it('is refused under the id of another one', async () => {
      const { target, image, depotHost } = bench();
      const other = { ...image, config: parseDigest(`sha256:${'1'.repeat(64)}`) };
      const unlike = { ...other, tag: 'localhost/stowage/other:1', repository: image.repository };
      if (bench().engine === 'podman')
        await expectCode(() => target.loadImage(unlike, depotHost, signal), 'engine-failed');
      else expect(await target.hasImage(unlike, signal)).toBe(false);
      expect(await bench().call('images', '--all')).not.toContain('stowage/other');
    });
  });

  describe('when a service runs', () => {
    it('is left alone when it is started again, and its log is in order', async () => {
      const { target, image } = bench();
      const each = script(`echo to stdout; sleep 0.1; echo to stderr >&2; ${STAY}`);
      await target.startService(each, signal);
      const first = await target.inspectService(each, signal);
      expect(first).toMatchObject({ image: digestHex(image.config), restarts: 0, detail: '' });
      expect(await logOf(each, /stderr/)).toBe('to stdout\nto stderr\n');
      await target.startService(each, signal);
      expect(await target.inspectService(each, signal)).toEqual(first);
      await target.stopService(each, signal);
      expect(await target.logs(each, 10, signal)).toBe('');
    });

    it('is measured with all its processes while it works', async () => {
      const { target } = bench();
      const each = script(`(while :; do :; done) & ${STAY}`);
      await target.startService(each, signal);
      const { pid = 0, id } = await target.inspectService(each, signal);
      const cpuSeconds = async (): Promise<number | undefined> =>
        (await controlGroupUse({ pid, id }))?.cpuSeconds;
      const first = (await cpuSeconds()) ?? Number.NaN;
      await expect.poll(cpuSeconds, { timeout: 20_000 }).toBeGreaterThan(first + 0.2);
      await target.stopService(each, signal);
      expect((await target.inspectService(each, signal)).pid).toBeUndefined();
    });

    it('is confined', async () => {
      const { target } = bench();
      const each = script(
        `cat /proc/self/status; id -u; id -g
         cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null
         cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null
         for d in /tmp /cache /data /dev/shm; do touch $d/x && echo "wrote $d"; done
         for d in / /bin /etc; do touch $d/x 2>/dev/null || echo "kept from $d"; done
         echo "HF=$HF_HUB_OFFLINE PROXY=$HTTP_PROXY"; echo done; ${STAY}`,
        { memory: 64 * MIB, pids: 77, mounts: [{ memory: 8 * MIB, path: '/cache' }] },
      );
      await target.startService(each, signal);
      const log = (await logOf(each, /^done$/m)).split('\n');
      expect(log).toEqual(
        expect.arrayContaining([
          ...['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'].map((set) => `Cap${set}:\t${'0'.repeat(16)}`),
          ...['NoNewPrivs:\t1', 'Seccomp:\t2', '10001', '77', String(64 * MIB)],
          ...['wrote /tmp', 'wrote /cache', 'wrote /data', 'wrote /dev/shm'],
          ...['kept from /', 'kept from /bin', 'kept from /etc', 'HF=1 PROXY='],
        ]),
      );
      await target.stopService(each, signal);
    });

    it('has the shared memory and the namespace that were set', async () => {
      const { target } = bench();
      const seen = `echo "ipc $(busybox readlink /proc/self/ns/ipc)"
         busybox df -k /dev/shm; echo done; ${STAY}`;
      const own = readlinkSync('/proc/self/ns/ipc');
      const shared = statfsSync('/dev/shm');
      const expected: readonly [Partial<RenderedService>, string, number][] = [
        [{ sharedMemory: 96 * MIB }, 'private', 96 * 1024],
        [{ sharedMemory: 96 * MIB, ipc: 'private' }, 'private', 96 * 1024],
        [{ ipc: 'host' }, 'host', (shared.blocks * shared.bsize) / 1024],
      ];
      for (const [values, namespace, kibibytes] of expected) {
        const each = script(seen, values);
        await target.startService(each, signal);
        const log = await logOf(each, /^done$/m);
        const [, found] = /^ipc (.*)$/m.exec(log) ?? [];
        expect([namespace, found === own]).toEqual([namespace, namespace === 'host']);
        expect(Number(/ (\d+) +\d+ +\d+ +\d+% \/dev\/shm$/m.exec(log)?.[1])).toBe(kibibytes);
        expect((await target.inspectService(each, signal)).drift).toEqual([]);
        await target.stopService(each, signal);
      }
    });

    it('has the limits that were set', async (context) => {
      const { target, engine } = bench();
      // As root, podman 4 also sets the limit of processes to its own, which needs the right to raise it.
      if (engine === 'podman' && !mayRaiseLimits())
        skipBecause(context, 'podman of root needs CAP_SYS_RESOURCE; rootless.test.ts sets limits');
      const each = script(`cat /proc/self/limits; echo done; ${STAY}`, { ulimits: LIMITS });
      await target.startService(each, signal);
      expectLimits(await logOf(each, /^done$/m));
      expect((await target.inspectService(each, signal)).drift).toEqual([]);
      const { drift } = await target.inspectService(
        { ...each, ulimits: { ...LIMITS, nofile: 512 } },
        signal,
      );
      expect(drift.map(({ field }) => field)).toContain('ulimit nofile');
      await target.stopService(each, signal);
    });

    it('has not drifted, whatever it uses', async () => {
      const { target } = bench();
      const folder = mkdtempSync(join(tmpdir(), 'stowage-drift-'));
      try {
        await target.createNetwork(outward, signal);
        await target.placeSecret(token, Buffer.from('x'), signal);
        const each = script(STAY, {
          ...{ network: 'bridge', networks: [outward.name], capabilities: ['CAP_SYS_NICE'] },
          env: { MODEL_NAME: 'a = b' },
          mounts: [
            { source: folder, path: '/models' },
            { memory: 8 * MIB, path: '/cache' },
          ],
          secrets: [{ name: token, path: '/run/secrets/token' }],
          ports: [
            { name: 'http', address: '127.0.0.1', host: 18_474, container: 8080 },
            { name: 'all', address: '0.0.0.0', host: 18_475, container: 8081 },
          ],
          ...{ memory: 64 * MIB, sharedMemory: 8 * MIB, cpus: 1.5, pids: 77 },
        });
        for (const one of [each, script(STAY, { network: 'host' }), script(STAY)]) {
          await target.startService(one, signal);
          const { state, drift } = await target.inspectService(one, signal);
          expect({ state, drift }).toEqual({ state: 'running', drift: [] });
          await target.stopService(one, signal);
        }
        await target.removeSecret(token, signal);
        await target.removeNetwork(outward, signal);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });

    it.each<[field: string, change: Partial<RenderedService>]>([
      ['environment MODEL_NAME', { env: { MODEL_NAME: 'evil' } }],
      ['ports', { ports: [{ name: 'http', address: '127.0.0.1', host: 18_476, container: 8080 }] }],
      ['arguments', { args: [`true; ${STAY}`] }],
      ['arguments', { entrypoint: '/bin/sh', args: ['-c', `true; ${STAY}`] }],
      ['user', { user: '10002:10002' }],
      ['mounts', { mounts: [{ source: '/etc', path: '/models' }] }],
      ['read-only root', { readOnlyRoot: false }],
      ['capabilities', { capabilities: ['CAP_SYS_NICE'] }],
      ['memory', { memory: 32 * MIB }],
      ['process limit', { pids: 78 }],
      ['ipc', { ipc: 'host' }],
      ['networks', { network: 'none', networks: [] }],
    ])('names %s when another container took its place, and is repaired', async (field, change) => {
      const { target } = bench();
      await target.createNetwork(outward, signal);
      const each = script(STAY, {
        ...{ network: 'bridge', networks: [outward.name], memory: 64 * MIB, pids: 77 },
        ipc: 'private',
        ports: [{ name: 'http', address: '127.0.0.1', host: 18_474, container: 8080 }],
        env: { MODEL_NAME: 'good' },
      });
      await target.startService({ ...each, ...change }, signal);
      const { drift } = await target.inspectService(each, signal);
      expect(drift.map((one) => one.field)).toContain(field);
      await target.startService(each, signal);
      expect(await target.inspectService(each, signal)).toMatchObject({
        state: 'running',
        drift: [],
      });
      await target.stopService(each, signal);
      await target.removeNetwork(outward, signal);
    });

    it('runs programs inside, and says how they ended', async () => {
      const { target } = bench();
      const each = script(STAY);
      await target.startService(each, signal);
      const command = ['/bin/sh', '-c', 'echo one; echo two >&2; exit 7'];
      const ran = await target.runInside(each, command, signal);
      expect(ran.status).toBe(7);
      expect(ran.output.split('\n').toSorted()).toEqual(['one', 'two']);
      await target.stopService(each, signal);
    });

    it('is started again when it ends, and can be stopped in the middle of that', async () => {
      const { target } = bench();
      const each = script('echo crashed; exit 3');
      await target.startService(each, signal);
      await until('a restart', 30, async () => {
        const { restarts = 0 } = await target.inspectService(each, signal);
        return restarts > 1 ? true : undefined;
      });
      expect(await target.logs(each, 1, signal)).toBe('crashed\n');
      await target.stopService(each, signal);
      expect(await bench().call('ps', '--all', '--quiet')).toBe('');
    });

    it('says why it cannot be started, and is stopped all the same', async () => {
      const { target } = bench();
      const each = script('', { entrypoint: '/nosuch' });
      const error = await expectCode(() => target.startService(each, signal), 'engine-failed');
      expect(error.found).toContain('/nosuch');
      expect((await target.inspectService(each, signal)).state).not.toBe('running');
      await target.stopService(each, signal);
      expect(await bench().call('ps', '--all', '--quiet')).toBe('');
    });
  });

  describe('when a service has a secret', () => {
    const path = '/run/secrets/token';
    const secrets = [{ name: token, path }];

    it('reads its very bytes, and nobody else is told them', async () => {
      const { target } = bench();
      const marker = 'MARK-93b1c7';
      const value = Buffer.concat([Buffer.from(marker), Buffer.from([0, 10, 13, 255, 128, 10])]);
      await target.placeSecret(token, value, signal);
      const each = script(`busybox od -An -tx1 -v ${path}; ${STAY}`, { secrets });
      await target.startService(each, signal);
      const hex = (await logOf(each, /\n/)).replaceAll(/\s/g, '');
      expect(hex).toBe(value.toString('hex'));
      expect(await inside(each, `busybox stat -c %a:%u ${path}`)).toBe(bench().secretAccess);
      expect(await inside(each, `echo x 2>/dev/null > ${path} || echo kept`)).toBe('kept');
      const told = await bench().call('inspect', each.unit);
      expect(told).not.toContain(marker);
      expect(told).not.toContain(value.toString('base64').slice(0, 12));
      await target.stopService(each, signal);
      await target.removeSecret(token, signal);
      expect(await target.hasSecret(token, signal)).toBe(false);
    });

    it('is not started without it', async () => {
      const { target } = bench();
      const each = script(`cat ${path}; ${STAY}`, { secrets });
      await expectCode(() => target.startService(each, signal), 'engine-failed');
      await target.stopService(each, signal);
    });

    it('keeps the largest one whole, and refuses it with another value under the same name', async () => {
      const { target } = bench();
      await target.placeSecret(token, Buffer.alloc(64 * 1024, 7), signal);
      await target.placeSecret(token, Buffer.from('other'), signal);
      const each = script(`busybox wc -c < ${path}; ${STAY}`, { secrets });
      await target.startService(each, signal);
      expect((await logOf(each, /\n/)).trim()).toBe('65536');
      await target.stopService(each, signal);
      await target.removeSecret(token, signal);
    });
  });

  describe('when services share a network', () => {
    const joined = { network: 'bridge', dependsOn: [] } as const;
    const ports = [{ name: 'http', address: '127.0.0.1', host: 18_473, container: 8080 }];

    it('finds its peers by name, publishes what it should, and cannot get out', async () => {
      const { target } = bench();
      for (const network of [within, outward]) await target.createNetwork(network, signal);
      const networks = [outward.name, within.name];
      const web = named('web', SERVE, { ...joined, networks, ports });
      const peer = named('peer', STAY, { ...joined, networks: [within.name] });
      await target.startService(web, signal);
      await target.startService(peer, signal);
      const answer = await until('an answer of the peer', 20, async () => {
        const output = await inside(peer, 'busybox timeout 5 busybox wget -qO- http://web:8080/');
        return output === 'hello' ? output : undefined;
      });
      expect(answer).toBe('hello');
      expect((await bench().fetch(18_473)).trim()).toBe('hello');
      const out = await inside(
        peer,
        'busybox timeout 3 busybox wget -qO- http://192.0.2.1/ || echo kept',
      );
      expect(out).toContain('kept');
      for (const each of [web, peer]) await target.stopService(each, signal);
      for (const network of [within, outward]) await target.removeNetwork(network, signal);
    });

    it('opens the connections that it may, and no other', async () => {
      const { target, beside } = bench();
      expect(await target.whyUnrestricted(signal)).toBeUndefined();
      const places = ['198.51.100.7', '198.51.100.8'];
      for (const place of places) await beside('ip', 'address', 'add', `${place}/32`, 'dev', 'lo');
      const listen = 'for port in 9000 9001; do busybox nc -ll -p $port -e echo reached & done';
      await beside('sh', '-c', `(${listen}) </dev/null >/dev/null 2>&1`);
      const attempt = async (from: RenderedService, place: string): Promise<string> =>
        inside(
          from,
          `busybox timeout 3 busybox nc -w 2 ${place} </dev/null 2>/dev/null || echo kept`,
        );
      const egress = [{ to: '198.51.100.7', protocol: 'tcp', ports: [9000] } as const];
      const networks = {
        free: outward,
        clients: restricted('clients', []),
        own: restricted('own', egress),
      };
      for (const network of Object.values(networks)) await target.createNetwork(network, signal);
      await target.createNetwork(within, signal);
      const on = (network: NewNetwork, values: Partial<RenderedService> = {}): RenderedService =>
        named(network.name.replace(/.*--/, ''), SERVE, {
          ...{ ...joined, networks: [network.name, within.name], ...values },
          ...(network.egress === undefined ? {} : { egress: network.egress }),
        });
      const free = on(networks.free);
      const clients = on(networks.clients, { ports });
      const own = on(networks.own);
      for (const each of [free, clients, own]) await target.startService(each, signal);
      const [first = '', second = ''] = places;
      const seen = async (from: RenderedService): Promise<string[]> => {
        const asked = [`${first} 9000`, `${first} 9001`, `${second} 9000`];
        return Promise.all(asked.map((place) => attempt(from, place)));
      };
      expect(await seen(free)).toEqual(['reached', 'reached', 'reached']);
      expect(await seen(clients)).toEqual(['kept', 'kept', 'kept']);
      expect(await seen(own)).toEqual(['reached', 'kept', 'kept']);
      expect((await bench().fetch(18_473)).trim()).toBe('hello');
      expect(await inside(own, 'busybox timeout 5 busybox wget -qO- http://clients:8080/')).toBe(
        'hello',
      );
      expect(await target.inspectService(clients, signal)).toMatchObject({ drift: [] });
      await beside('nft', 'flush', 'chain', 'inet', networks.clients.name, 'input');
      expect((await target.inspectService(clients, signal)).drift).toMatchObject([
        { field: 'egress rules' },
      ]);
      await target.createNetwork(networks.clients, signal);
      expect(await target.inspectService(clients, signal)).toMatchObject({ drift: [] });
      expect(await seen(clients)).toEqual(['kept', 'kept', 'kept']);
      for (const each of [free, clients, own]) await target.stopService(each, signal);
      for (const network of [...Object.values(networks), within])
        await target.removeNetwork(network, signal);
      expect(await beside('nft', 'list', 'tables')).not.toContain('stowage-');
      await beside('sh', '-c', "pkill -f 'busybox nc -ll -p 900[01]' || true");
      for (const place of places)
        await beside('ip', 'address', 'delete', `${place}/32`, 'dev', 'lo');
    });

    it('publishes a port on an IPv6 address, without drift', async () => {
      const { target, ipv6, fetch } = bench();
      await target.createNetwork({ ...outward, ipv6: true }, signal);
      const web = named('web', SERVE, {
        ...{ ...joined, networks: [outward.name] },
        ports: [{ name: 'http', address: ipv6, host: 18_473, container: 8080 }],
      });
      await target.startService(web, signal);
      await until('an answer on IPv6', 20, async () => {
        const answer = await fetch(18_473, `[${ipv6}]`);
        return answer.trim() === 'hello' || undefined;
      });
      expect(await target.inspectService(web, signal)).toMatchObject({
        ...{ state: 'running', drift: [] },
      });
      await target.stopService(web, signal);
      await target.removeNetwork(outward, signal);
    });

    it('makes a network of its own anew when its kind changed', async () => {
      const { target } = bench();
      await target.createNetwork(within, signal);
      await target.createNetwork({ ...within, internal: false }, signal);
      const kind = await bench().call('network', 'inspect', within.name);
      expect(kind).toMatch(/"internal": false/i);
      await target.removeNetwork({ ...within, internal: false }, signal);
    });

    it('leaves a network alone that somebody else made', async () => {
      const { target } = bench();
      await bench().call('network', 'create', within.name);
      const error = await expectCode(() => target.createNetwork(within, signal), 'engine-failed');
      expect(error.message).toContain('belongs to another owner');
      await target.removeNetwork(within, signal);
      expect(await bench().call('network', 'ls')).toContain(within.name);
      await bench().call('network', 'rm', within.name);
    });
  });

  describe('when the command is killed', () => {
    const killed = new URL('killed.ts', import.meta.url).pathname;
    const die = async (order: Omit<Order, 'engine' | 'depotHost' | 'secretFolder' | 'through'>) => {
      const { engine, depotHost, secretFolder, through, env } = bench();
      const words = JSON.stringify({ ...order, engine, depotHost, secretFolder, through });
      const child = await capture(
        'sh',
        ['-c', '"$@"; exit $?', 'sh', process.execPath, killed, words],
        { env },
      );
      if (child.status !== 0 && child.status !== 137) throw new Error(child.stderr);
      return child.status === 137;
    };

    it('before any of its steps, starts and stops when it is repeated', async () => {
      const { target } = bench();
      for (const network of [within, outward]) await target.createNetwork(network, signal);
      const each = script(STAY, { network: 'bridge', networks: [outward.name, within.name] });
      let dieAt = 1;
      for (; await die({ method: 'startService', service: each, dieAt }); dieAt++) {
        await target.startService(each, signal);
        expect(await target.inspectService(each, signal)).toMatchObject({ state: 'running' });
        const onBoth = await inside(each, 'busybox ip -o -4 addr | busybox wc -l');
        expect(onBoth).toBe('3');
        await target.stopService(each, signal);
      }
      expect(dieAt).toBeGreaterThan(3);
      for (dieAt = 1; await die({ method: 'stopService', service: each, dieAt }); dieAt++) {
        await target.stopService(each, signal);
        expect(await target.inspectService(each, signal)).toEqual({
          state: 'absent',
          detail: '',
          drift: [],
        });
        await target.startService(each, signal);
      }
      for (const network of [within, outward]) await target.removeNetwork(network, signal);
    });

    it('before any step of a pull, loads when it is repeated', async () => {
      const { target, image, depotHost } = bench();
      const each = script(STAY);
      await target.unloadImage(image, signal);
      for (let dieAt = 1; await die({ method: 'loadImage', service: each, dieAt }); dieAt++) {
        await target.loadImage(image, depotHost, signal);
        expect(await target.hasImage(image, signal)).toBe(true);
        expect(await bench().call('images', '--all', '--digests')).not.toContain('127.0.0.1');
        await target.unloadImage(image, signal);
      }
      await target.loadImage(image, depotHost, signal);
    });
  });
}
