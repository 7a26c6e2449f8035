import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { KnownEgress } from '../../src/format/known-egress.ts';
import type { Rehearsal, RehearsedAttempt } from '../../src/format/rehearsal.ts';
import { type CallingImage, callingImage } from '../lab/calling-home/image.ts';
import { until } from '../lab/process.ts';
import { skipBecause } from '../support/skip-because.ts';
import { type Authority, type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import type { Ran } from './cli.ts';

/** The port that every release here publishes, also that of a site beside the rehearsal. */
export const PORT = 18_400;

/** How a test runs the program. */
export interface RehearsalBench {
  /** Where releases are made. */
  readonly place: string;
  readonly target: 'podman' | 'docker';
  readonly unprivileged: boolean;
  /** Runs `stowage rehearse`, until it ends or is killed. */
  rehearse(args: readonly string[], kill?: AbortSignal): Promise<Ran>;
  /** Makes what runs on the same engine, once, with a release that calls nobody. */
  prepare(quiet: SmallBundle): Promise<void>;
  /** That the new folder belongs to who runs the program. */
  give?(folder: string): Promise<void>;
  /** Everything that the engine of this host has and runs, and what its user has. */
  production(): Promise<readonly string[]>;
}

interface Settings {
  readonly python?: object;
  readonly node?: object;
  readonly go?: object;
  readonly knownEgress?: readonly KnownEgress[];
  readonly port?: number;
  /** Evaluations, and the text of `files` named `questions`. */
  readonly evaluations?: readonly object[];
  readonly questions?: string;
}

export interface CallingRelease {
  readonly version: string;
  readonly seq: number;
  readonly settings?: Settings;
  readonly authority?: Authority | undefined;
}

/** Stowage sets both for every service. */
export const LOUD: Settings = { python: { DO_NOT_TRACK: '0', HF_HUB_OFFLINE: '0' } };
/** The settings that a rehearsal of the loud release names; those of Python are what Stowage sets itself. */
export const QUIET: Settings = {
  python: {},
  node: { NO_UPDATE_NOTIFIER: '1' },
  go: { LOG_SHIPPING: 'off' },
};

/** A release of three services that call home with requests, huggingface_hub, the fetch of Node, and Go. */
export async function callingRelease(
  place: string,
  image: CallingImage,
  { version, seq, settings = {}, authority }: CallingRelease,
): Promise<SmallBundle> {
  const { python = {}, node = {}, go = {}, port = PORT } = settings;
  const { knownEgress, evaluations, questions } = settings;
  const user = '10001:10001';
  return smallBundle({
    ...{ place: join(place, `made-${version}`), version, seq, image },
    ...(authority === undefined ? {} : { authority }),
    services: [
      {
        ...{ name: 'answers', image: 'server', user, env: python },
        args: ['/bin/python3', '/app/server.py'],
        ports: [{ name: 'http', container: 8080, host: port }],
        health: { server: 'http', port: 'http', path: '/', startupSeconds: 120 },
      },
      {
        ...{ name: 'updates', image: 'server', user, dependsOn: ['answers'] },
        env: { PEER: 'http://answers:8080/', ...node },
        args: ['/bin/node', '/app/update-check.mjs'],
      },
      { ...{ name: 'logs', image: 'server', user, env: go }, args: ['/app/ship-logs'] },
    ],
    acceptance: [
      {
        ...{ service: 'answers', model: 'tiny', prompt: 'Say good.', expect: { contains: 'good' } },
        // A server whose library calls home at its first request may wait for the sink first.
        withinSeconds: 300,
      },
    ],
    ...(knownEgress === undefined ? {} : { knownEgress }),
    ...(evaluations === undefined ? {} : { evaluations }),
    ...(questions === undefined ? {} : { questions }),
  });
}

export const documentOf = ({ folder }: SmallBundle): Rehearsal =>
  JSON.parse(readFileSync(`${folder}.rehearsal.json`, 'utf8')) as Rehearsal;

/** What every rehearsal shows, whatever runs the services. */
export function everyRehearsal(given: () => RehearsalBench): void {
  let bench: RehearsalBench;
  let missing: string | undefined;
  let loud: SmallBundle;
  let quiet: SmallBundle;
  let attempts: readonly RehearsedAttempt[];
  let before: readonly string[];

  const of = (about: Partial<RehearsedAttempt>): RehearsedAttempt | undefined =>
    attempts.find((each) =>
      Object.entries(about).every(([key, value]) => each[key as keyof RehearsedAttempt] === value),
    );
  const folderOf = ({ folder }: SmallBundle): string => dirname(folder);

  beforeAll(async () => {
    bench = given();
    const found = await callingImage();
    if ('missing' in found) {
      missing = found.missing;
      return;
    }
    loud = await callingRelease(bench.place, found, { version: '1.0.0', seq: 1, settings: LOUD });
    const { authority } = loud;
    const settings = QUIET;
    quiet = await callingRelease(bench.place, found, {
      version: '1.1.0',
      seq: 2,
      settings,
      authority,
    });
    for (const each of [loud, quiet]) await bench.give?.(folderOf(each));
    await bench.prepare(quiet);
    before = await bench.production();
  });

  beforeEach((context) => {
    if (missing !== undefined) skipBecause(context, missing);
  });

  describe('when the services of a release call home', () => {
    beforeAll(async () => {
      if (missing !== undefined) return;
      const ran = await bench.rehearse([loud.folder, '--watch', '8']);
      expect(ran.status, ran.stderr).toBe(1);
      expect(ran.json.error, ran.stdout).toMatchObject({ code: 'rehearsal-failed' });
      ({ attempts } = documentOf(loud));
    });

    it('names a lookup alone, by Go', () => {
      expect(of({ protocol: 'dns', name: 'collector.example.com' })).toMatchObject({
        ...{ service: 'logs', processes: ['/app/ship-logs'] },
      });
      expect(of({ protocol: 'tcp', name: 'collector.example.com' })).toBeUndefined();
    });

    it('names HTTPS by its server name, by requests', () => {
      expect(of({ protocol: 'tcp', name: 'stats.vllm.ai' })).toMatchObject({
        ...{ port: 443, sni: 'stats.vllm.ai', service: 'answers' },
        processes: ['/bin/python3 /app/server.py'],
        purpose: 'usage statistics of vLLM',
        remedy: expect.stringContaining('DO_NOT_TRACK=1'),
      });
    });

    it('names plain HTTP by its host and path, by the fetch of Node', () => {
      expect(of({ protocol: 'tcp', name: 'registry.npmjs.org' })).toMatchObject({
        ...{ port: 80, host: 'registry.npmjs.org', paths: ['GET /tiny-chat/latest'] },
        ...{ service: 'updates', processes: ['/bin/node /app/update-check.mjs'] },
      });
    });

    it.each([
      ['tcp', '203.0.113.7', 6514],
      ['tcp', '2001:db8::7', 6514],
      ['udp', '203.0.113.9', 123],
    ] as const)('names an address without a name: %s %s', (protocol, address, port) => {
      expect(of({ protocol, address })).toMatchObject({
        ...{ port, service: 'logs', processes: ['/app/ship-logs'] },
      });
      expect(of({ protocol, address })?.name).toBeUndefined();
    });

    it('names what is tried only at the first request, by huggingface_hub', () => {
      expect(of({ protocol: 'tcp', name: 'huggingface.co' })).toMatchObject({
        ...{ port: 443, sni: 'huggingface.co', service: 'answers' },
        processes: ['/bin/python3 /app/server.py'],
        remedy: expect.stringContaining('HF_HUB_OFFLINE=1'),
      });
    });

    it('counts no service that is asked by another as an attempt to reach out', () => {
      expect(attempts.filter(({ name }) => name?.startsWith('peer') || name === 'answers')).toEqual(
        [],
      );
    });

    it('says how the services did otherwise', () => {
      const { engine, gates, services, passed, target, unseen } = documentOf(loud);
      expect(passed).toBe(false);
      expect(target).toBe(bench.target);
      expect(engine).toMatchObject({ name: bench.target, rootless: bench.unprivileged });
      expect(gates.filter((each) => !each.passed)).toEqual([]);
      const [answers] = services;
      expect(answers).toMatchObject({ name: 'answers', written: { files: 0, bytes: 0 } });
      expect(answers?.processes).toEqual(['/bin/python3 /app/server.py']);
      expect(unseen.join()).toContain('updates, logs');
    });

    it('says what it measured of memory, or that it could not', () => {
      const { services, unseen } = documentOf(loud);
      const peaks = services.map(({ peakMemoryBytes }) => peakMemoryBytes);
      if (bench.unprivileged) {
        expect(peaks).toEqual([undefined, undefined, undefined]);
        expect(unseen.join()).toContain('the peak memory of each service');
        return;
      }
      expect(unseen.join()).not.toContain('memory');
      for (const each of peaks) {
        expect(each).toBeGreaterThan(1_000_000);
        expect(each).toBeLessThan(1_000_000_000);
      }
    });

    it('leaves what runs on the engine of this host as it was, and nothing of its own', async () => {
      expect(await bench.production()).toEqual(before);
      expect(leftIn(folderOf(loud))).toEqual([]);
    });
  });

  describe('when the settings that stop it are in the manifest', () => {
    it('no attempt is left, the rehearsal passes, and leaves nothing', async () => {
      const ran = await bench.rehearse([quiet.folder, '--watch', '5']);
      expect(ran.status, ran.stderr).toBe(0);
      expect(ran.json).toMatchObject({ passed: true, attempts: [], failures: [] });
      expect(await bench.production()).toEqual(before);
      expect(leftIn(folderOf(quiet))).toEqual([]);
    });
  });

  describe('when the command is killed', () => {
    it('ends everything that it started, and leaves nothing', async () => {
      const kill = new AbortController();
      const place = folderOf(quiet);
      const running = bench.rehearse([quiet.folder, '--watch', '600'], kill.signal);
      const ids = await until('a container', 300, async () => {
        const found = containersIn(place);
        return found.length > 0 ? found : undefined;
      });
      kill.abort();
      await running;
      await until('the end of everything', 60, async () =>
        leftIn(place).length === 0 ? true : undefined,
      );
      await until('the end of the control groups', 10, async () =>
        groupsOf(ids).length === 0 ? true : undefined,
      );
      expect(await bench.production()).toEqual(before);
    });
  });
}

/** The ids of the containers of the rehearsals in a folder. */
function containersIn(place: string): string[] {
  const stores = ['engine/storage/overlay-containers', 'engine/storage/vfs-containers'];
  return rehearsalsIn(place).flatMap((each) =>
    [...stores, 'engine/data/containers']
      .flatMap((store) => namesIn(join(place, each, store)))
      .filter((name) => /^[0-9a-f]{64}$/.test(name)),
  );
}

/** What a rehearsal left: its folder, processes that name the folder, and mounts. */
function leftIn(place: string): string[] {
  const commands = namesIn('/proc')
    .filter((pid) => /^[0-9]+$/.test(pid))
    .map((pid) => textOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' '))
    .filter((command) => command.includes(`${place}/.rehearsal-`));
  const mounts = textOf('/proc/self/mountinfo')
    .split('\n')
    .filter((line) => line.includes('.rehearsal-') || line.includes('/.rehearsal'));
  return [...rehearsalsIn(place), ...commands, ...mounts];
}

function groupsOf(ids: readonly string[]): string[] {
  return readdirSync('/sys/fs/cgroup', { recursive: true, encoding: 'utf8' }).filter((path) =>
    ids.some((id) => basename(path).includes(id)),
  );
}

function rehearsalsIn(place: string): string[] {
  return namesIn(place).filter((name) => name.startsWith('.rehearsal-'));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
