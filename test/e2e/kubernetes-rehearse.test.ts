import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { trustFingerprint } from '../../src/bundle/admission/trust-files.ts';
import { writeCanonical } from '../../src/format/document.ts';
import type { Rehearsal, RehearsedAttempt } from '../../src/format/rehearsal.ts';
import { trustKind } from '../../src/format/trust.ts';
import { type CallingImage, callingImage } from '../lab/calling-home/image.ts';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { until } from '../lab/process.ts';
import { type ClusterSite, startClusterSite } from '../support/cluster-site.ts';
import {
  LONG,
  noCluster,
  skipUnlessLong,
  skipWithoutLab,
  startLabCluster,
} from '../support/kubernetes-lab.ts';
import { skipBecause } from '../support/skip-because.ts';
import type { SmallBundle } from '../support/small-bundle.ts';
import { type Ran, stowage } from './cli.ts';
import { callingRelease, documentOf, LOUD, QUIET } from './rehearsals.ts';

vi.setConfig({ testTimeout: 900_000, hookTimeout: 900_000 });

const PORT = 5444;
const QUESTIONS = Array.from({ length: 12 }, (_, index) =>
  JSON.stringify({ prompt: `ask ${index}`, expect: { contains: 'good' }, tags: ['safety'] }),
).join('\n');
const EVALUATIONS = [
  {
    ...{ name: 'clinic', service: 'answers', model: 'tiny', questions: 'questions' },
    thresholds: { passRate: 1, tags: { safety: 1 } },
  },
];
const work = mkdtempSync(join(tmpdir(), 'kubernetes-rehearse-'));
let missing: string | undefined;
let cluster: Cluster;
let site: ClusterSite;
let loud: SmallBundle;
let quiet: SmallBundle;
let before: readonly string[];

beforeAll(async () => {
  if (!LONG || noCluster !== undefined) return;
  const found = await callingImage();
  if ('missing' in found) {
    missing = found.missing;
    return;
  }
  quiet = await release(found, '1.1.0', 2, QUIET);
  loud = await release(found, '1.0.0', 1, LOUD);
  const lab = await startLabCluster({ nodes: 2 });
  if (lab === undefined) return;
  cluster = lab;
  const root = join(work, 'trust.json');
  writeFileSync(root, writeCanonical(trustKind, quiet.trust));
  site = await startClusterSite({
    ...{ folder: join(work, 'plant'), cluster, port: 5443, first: quiet.folder },
    side: { root, fingerprint: trustFingerprint(quiet.trust) },
  });
  await site.must('install', 'chat@1.1.0');
  const registry = `${cluster.host}:${PORT}`;
  cluster.registries.trust({ address: registry, ca: cluster.ca.certificate });
  writeFileSync(
    join(work, 'rehearsal.yaml'),
    `apiVersion: stowage/v1
target: kubernetes
kubernetes:
  kubeconfig: ${cluster.kubeconfig}
  images: { registry: "${registry}" }
`,
  );
  before = await production();
});

const release = (
  image: CallingImage,
  version: string,
  seq: number,
  settings: typeof LOUD,
): Promise<SmallBundle> =>
  callingRelease(work, image, {
    ...{ version, seq, authority: quiet?.authority },
    settings: { ...settings, evaluations: EVALUATIONS, questions: QUESTIONS },
  });

beforeEach((test) => {
  skipUnlessLong(test);
  if (missing !== undefined) skipBecause(test, missing);
  skipWithoutLab(test, cluster);
});

afterAll(async () => {
  await site?.stop();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

/** What the site in the same cluster has, and every namespace. */
async function production(): Promise<string[]> {
  const show = (...args: readonly string[]): Promise<string> =>
    cluster.kubectl(
      'get',
      ...args,
      '--output=jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.uid} {.status.containerStatuses[*].restartCount}{"\\n"}{end}',
    );
  return [
    await show('namespaces,persistentvolumes'),
    await show('--namespace=stowage-chat', 'pods,deployments,services,networkpolicies,secrets'),
  ];
}

async function rehearse(folder: string, kill?: AbortSignal): Promise<Ran> {
  const { certificate, key } = await cluster.serverCertificate('rehearsal-depot');
  return stowage(
    { cwd: work, ...(kill === undefined ? {} : { kill }) },
    ...['rehearse', folder, '--target', 'kubernetes', '--settings', join(work, 'rehearsal.yaml')],
    ...['--tls-certificate', certificate, '--tls-key', key, '--watch', '8'],
  );
}

/** The folders of rehearsals beside the bundles. */
const left = (): string[] =>
  [loud, quiet].flatMap(({ folder }) =>
    readdirSync(dirname(folder)).filter((name) => name.startsWith('.rehearsal-')),
  );

describe('when the services of a release call home in a cluster', () => {
  let document: Rehearsal;
  const of = (about: Partial<RehearsedAttempt>): RehearsedAttempt | undefined =>
    document.attempts.find((each) =>
      Object.entries(about).every(([key, value]) => each[key as keyof RehearsedAttempt] === value),
    );

  it('fails, and leaves the cluster and the site in it as they were', async () => {
    const ran = await rehearse(loud.folder);
    expect(ran.status, ran.stdout + ran.stderr).toBe(1);
    expect(ran.json.error, ran.stdout).toMatchObject({ code: 'rehearsal-failed' });
    document = documentOf(loud);
    expect(await production()).toEqual(before);
    expect(left()).toEqual([]);
  });

  it('names a lookup alone, by Go', () => {
    expect(of({ protocol: 'dns', name: 'collector.example.com' })).toMatchObject({
      service: 'logs',
    });
    expect(of({ protocol: 'tcp', name: 'collector.example.com' })).toBeUndefined();
  });

  it('names HTTPS by its server name, by requests, with the setting that stops it', () => {
    expect(of({ protocol: 'tcp', name: 'stats.vllm.ai' })).toMatchObject({
      ...{ port: 443, sni: 'stats.vllm.ai', service: 'answers' },
      ...{ purpose: 'usage statistics of vLLM', remedy: expect.stringContaining('DO_NOT_TRACK=1') },
    });
  });

  it('names plain HTTP by its host and path, by the fetch of Node', () => {
    expect(of({ protocol: 'tcp', name: 'registry.npmjs.org' })).toMatchObject({
      ...{ port: 80, host: 'registry.npmjs.org', paths: ['GET /tiny-chat/latest'] },
      service: 'updates',
    });
  });

  it('names what is tried only at the first request, by huggingface_hub', () => {
    expect(of({ protocol: 'tcp', name: 'huggingface.co' })).toMatchObject({
      ...{ port: 443, sni: 'huggingface.co', service: 'answers' },
      remedy: expect.stringContaining('HF_HUB_OFFLINE=1'),
    });
  });

  it('counts no service that is asked by another as an attempt to reach out', () => {
    const { attempts } = document;
    expect(attempts.filter(({ name = '' }) => /^(?:peer|answers)/.test(name))).toEqual([]);
  });

  it('says how the services did otherwise, and what it could not see', () => {
    const { engine, evaluations, gates, services, passed, target, unseen } = document;
    expect([passed, target, engine.name]).toEqual([false, 'kubernetes', 'kubernetes']);
    expect(gates.filter((each) => !each.passed)).toEqual([]);
    expect(evaluations).toMatchObject([{ name: 'clinic', questions: 12, passed: 12 }]);
    expect(services[0]).toMatchObject({ name: 'answers', readySeconds: expect.any(Number) });
    expect(unseen).toContainEqual(expect.stringContaining('addresses without a name'));
    expect(unseen).toContainEqual(expect.stringContaining('ports other than'));
    expect(unseen).toContainEqual(expect.stringContaining('metrics.k8s.io'));
    expect(unseen).toContainEqual(expect.stringContaining('which process'));
  });
});

describe('when the settings that a rehearsal named are set', () => {
  it('passes', async () => {
    const ran = await rehearse(quiet.folder);
    expect(ran.status, ran.stdout + ran.stderr).toBe(0);
    const { attempts, evaluations, failures } = documentOf(quiet);
    expect([attempts, failures]).toEqual([[], []]);
    expect(evaluations).toMatchObject([{ name: 'clinic', passed: 12, missed: [] }]);
    expect(await production()).toEqual(before);
  });
});

describe('when a rehearsal in a cluster is killed', () => {
  it('is removed by the next one', async () => {
    const kill = new AbortController();
    const running = rehearse(quiet.folder, kill.signal);
    const own = async (): Promise<string[]> => {
      const all = await cluster.kubectl('get', 'namespaces', '--output=name');
      return all.split('\n').filter((name) => name.startsWith('namespace/stowage-rehearsal-'));
    };
    await until('the pods of the release', 300, async () => {
      const namespace = (await own()).find((name) => name.endsWith('-chat'))?.split('/')[1];
      if (namespace === undefined) return undefined;
      const pods = await cluster.kubectl('get', 'pods', '--namespace', namespace, '--output=name');
      return pods.includes('pod/') || undefined;
    });
    kill.abort();
    await running;
    expect((await own()).length).toBeGreaterThan(1);
    expect(left()).toHaveLength(1);
    const next = await rehearse(quiet.folder);
    expect(next.status, next.stdout + next.stderr).toBe(0);
    expect(await production()).toEqual(before);
    expect(left()).toEqual([]);
  });
});

describe('when a cluster cannot be rehearsed on', () => {
  it('says what is missing in the settings', async () => {
    const without = await stowage(
      { cwd: work },
      'rehearse',
      quiet.folder,
      '--target',
      'kubernetes',
    );
    expect(without.json.error).toMatchObject({
      ...{ code: 'usage-invalid', found: 'no --settings' },
      expected: expect.stringContaining('section kubernetes'),
    });
    expect(existsSync(`${loud.folder}.rehearsal.json`)).toBe(true);
  });
});
