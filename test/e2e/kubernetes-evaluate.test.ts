import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { until } from '../lab/process.ts';
import { startUpstream } from '../lab/upstream.ts';
import { type ClusterSite, startClusterSite } from '../support/cluster-site.ts';
import { noCluster, skipWithoutLab, startLabCluster } from '../support/kubernetes-lab.ts';
import type { Ran } from './cli.ts';
import { connectedSide, demoManifest } from './connected.ts';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

const KEY = 'sk-of-the-lab-4f1b9c';
const NAMESPACE = 'stowage-tiny-chat';
const work = mkdtempSync(join(tmpdir(), 'kubernetes-evaluate-'));
let cluster: Cluster;
let site: ClusterSite;

const questions = (count: number): string =>
  Array.from({ length: count }, (_, index) =>
    JSON.stringify({
      ...{ id: `question ${index}`, prompt: `${index} hello` },
      expect: { contains: 'ready' },
      tags: index < 4 ? ['safety'] : ['other'],
    }),
  ).join('\n');

beforeAll(async () => {
  if (noCluster !== undefined) return;
  const upstream = await startUpstream(join(work, 'upstream'));
  let first: string;
  let side: Awaited<ReturnType<typeof connectedSide>>;
  try {
    side = await connectedSide(work, upstream);
    writeFileSync(join(work, 'clinic.jsonl'), questions(20));
    const manifest = evaluated(demoManifest(upstream, 8080));
    first = await side.release(manifest, 'one', '--no-installer');
    const second = manifest
      .replace('1.0.0', '1.1.0')
      .replace('@main', '@v2')
      .replace('air gap model is ready }', 'second release }');
    await side.release(second, 'two', '--no-installer');
  } finally {
    await upstream.stop();
  }
  const lab = await startLabCluster({ nodes: 1 });
  if (lab === undefined) return;
  cluster = lab;
  const cases = join(work, 'cases.jsonl');
  writeFileSync(cases, questions(400), { mode: 0o600 });
  const key = join(work, 'key');
  writeFileSync(key, `${KEY}\n`, { mode: 0o600 });
  site = await startClusterSite({
    ...{ folder: join(work, 'plant'), cluster, side, port: 5443, first },
    more: `secrets: { tiny-chat: { api-key: { file: ${key} } } }
evaluations:
  tiny-chat:
    - name: our-cases
      service: server
      model: tiny
      api: completions
      questions: ${cases}
      maxTokens: 12
      concurrency: 2
      thresholds: { passRate: 1 }
`,
  });
  await site.must('import', join(work, 'two'));
});

/** The release with a key that its server requires, and with questions of which the gate asks some. */
function evaluated(manifest: string): string {
  return manifest
    .replace('      - --offline', '      - --offline\n      - --api-key-file\n      - /run/key')
    .replace('    user: ', '    secrets: [{ secret: api-key, path: /run/key }]\n    user: ')
    .replace(
      '      model: tiny\n      startup',
      '      model: tiny\n      apiKey: api-key\n      startup',
    )
    .concat(`
secrets:
  api-key: { description: the key that clients send }
files:
  - { name: clinic-questions, source: ./clinic.jsonl }
evaluations:
  - name: clinic
    service: server
    model: tiny
    api: completions
    questions: clinic-questions
    maxTokens: 12
    gate: 8
    thresholds: { passRate: 0.9, tags: { safety: 1 } }
`);
}

beforeEach((test) => skipWithoutLab(test, cluster));

afterAll(async () => {
  await site?.stop();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

/** Everything that the site and the cluster keep as text, except the object that is the secret. */
async function written(): Promise<string> {
  const files = readdirSync(site.folder, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && !each.parentPath.includes('/store'))
    .map((each) => readFileSync(join(each.parentPath, each.name), 'latin1'));
  const logs = await cluster
    .kubectl('logs', '-n', NAMESPACE, '--all-pods', 'deployment/server')
    .catch(() => '');
  const objects = await cluster.kubectl(
    ...['get', 'deployments,pods,configmaps,services,events', '-n', NAMESPACE, '--output=yaml'],
  );
  return [...files, logs, objects].join('\n');
}

describe('when a release on a cluster is evaluated', () => {
  it('asks in the gate with the key of the server, before clients reach it', async () => {
    const { json, stderr } = await site.must('install', 'tiny-chat@1.0.0');
    const gate = json.receipt.gates.filter(
      (each: { check: string }) => each.check === 'evaluation',
    );
    expect(gate).toMatchObject([{ service: 'server', passed: true }]);
    expect(gate[0].expected).toContain('the first 8 questions of evaluation clinic');
    expect(stderr).not.toContain(KEY);
  });

  it('asks all questions of the bundle and of the site on demand', async () => {
    const { json } = await site.must('evaluate', 'tiny-chat');
    expect(json.results).toMatchObject([
      { evaluation: 'clinic', missed: [], summary: { questions: 20, passed: 20, unasked: 0 } },
      { evaluation: 'our-cases', missed: [], summary: { questions: 400, passed: 400 } },
    ]);
  });

  it('never writes the key to arguments, results, logs or objects', async () => {
    expect(await written()).not.toContain(KEY);
    const commands = readdirSync('/proc')
      .filter((name) => /^[0-9]+$/.test(name))
      .map((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        } catch {
          return '';
        }
      });
    expect(commands.some((each) => each.includes('/run/key'))).toBe(true);
    expect(commands.join('\n')).not.toContain(KEY);
  });

  it('returns to the version before when the answers of the next one miss a threshold', async () => {
    const { status, stderr } = await site.run('install', 'tiny-chat@1.1.0');
    expect(status).toBe(3);
    expect(stderr).toContain('tag safety: 0 of 4 passed (0 %)');
    const { json } = await site.must('status');
    expect(json.generation.releases).toMatchObject([{ version: '1.0.0' }]);
    expect((await site.must('evaluate', '--suite', 'clinic')).json.results).toMatchObject([
      { release: { version: '1.0.0' }, missed: [] },
    ]);
  });

  it('blames no question on an API server that restarts', async () => {
    let ended = false;
    const run = site.run('evaluate', '--suite', 'our-cases').finally(() => {
      ended = true;
    });
    await answersKept(20);
    await cluster.stopApiServer();
    await cluster.startApiServer();
    expect(ended).toBe(false);
    const { json, status, stderr } = await run;
    expect(status, stderr).toBe(0);
    expect(json.results).toMatchObject([{ missed: [], summary: { questions: 400, passed: 400 } }]);
  });

  it('goes on after it was killed, without asking a question twice', async () => {
    const kill = new AbortController();
    const first: Promise<Ran> = site.runWith(
      { kill: kill.signal },
      ...['evaluate', '--suite', 'our-cases'],
    );
    await answersKept(50);
    kill.abort();
    await first;
    const before = kept().length;
    const { json, stderr } = await site.must('evaluate', '--suite', 'our-cases');
    expect(json.results).toMatchObject([{ missed: [], summary: { passed: 400, unasked: 0 } }]);
    const [begun] = stderr
      .split('\n')
      .filter((line) => line.includes('"evaluate our-cases"'))
      .map((line) => JSON.parse(line) as { readonly done: number });
    expect(begun?.done).toBeGreaterThanOrEqual(before - 1);
  });
});

/** The lines of the journal of the evaluation that is under way. */
function kept(): string[] {
  const folder = join(site.folder, 'evaluations');
  const name = readdirSync(folder).find((each) => each.endsWith('our-cases.partial.jsonl'));
  return name === undefined ? [] : readFileSync(join(folder, name), 'utf8').trimEnd().split('\n');
}

async function answersKept(count: number): Promise<void> {
  await until(`${count} answers`, 60, async () => kept().length > count || undefined);
}
