import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { SANDBOX } from '../lab/kubernetes/node.ts';
import { until } from '../lab/process.ts';
import { askOnce } from '../support/asking-client.ts';
import { type ClusterSite, clientAddress, startClusterSite } from '../support/cluster-site.ts';
import { skipWithoutLongLab, startLongLabCluster } from '../support/kubernetes-lab.ts';
import { lightReleases, lightService } from '../support/light-release.ts';

// A service that tries to reach what it may and what it may not, on a cluster whose nodes enforce NetworkPolicies.
const NAMESPACE = 'stowage-chat';
const work = mkdtempSync(join(tmpdir(), 'egress-'));
let cluster: Cluster;
let site: ClusterSite;
let listeners: (Server | Socket)[] = [];
/** Where the asking service may connect to, and the same place at another port or by another protocol. */
let places: { readonly named: readonly string[]; readonly others: readonly string[] };

const NAMED = { tcp: 9000, udp: 9100 } as const;
/** One that nothing names, and those of names that no service may ask. */
const UNNAMED = { tcp: [9001, NAMED.udp], udp: [9101, NAMED.tcp, 53] } as const;

/** Tries every `PROTOCOL:HOST:PORT` at once, and writes those from which something came back. */
const TRY = `
use IO::Socket::INET;
for my $place (@ARGV) {
  next if fork;
  my ($protocol, $host, $port) = split /:/, $place;
  my $socket = IO::Socket::INET->new(Proto => $protocol, PeerAddr => $host, PeerPort => $port, Timeout => 4) or exit;
  if ($protocol eq 'udp') {
    send $socket, 'anybody?', 0;
    my $ready = '';
    vec($ready, fileno($socket), 1) = 1;
    exit unless select($ready, undef, undef, 4) && defined recv($socket, my $answer, 64, 0);
  }
  syswrite STDOUT, "$place\\n";
  exit;
}
1 while wait != -1;`;

beforeAll(async () => {
  const lab = await startLongLabCluster({ nodes: 2, policies: true });
  if (lab === undefined) return;
  cluster = lab;
  const { host } = cluster;
  listeners = [
    ...[NAMED.tcp, ...UNNAMED.tcp].map((port) =>
      createServer((socket) => socket.on('error', () => {}).end('here')).listen(port, host),
    ),
    ...[NAMED.udp, ...UNNAMED.udp].map((port) => echoing(port, host)),
  ];
  await Promise.all(listeners.map((each) => once(each, 'listening')));
  places = {
    named: [`tcp:${host}:${NAMED.tcp}`, `udp:${host}:${NAMED.udp}`],
    others: [
      ...UNNAMED.tcp.map((port) => `tcp:${host}:${port}`),
      ...UNNAMED.udp.map((port) => `udp:${host}:${port}`),
      // The depot and the API server.
      ...[`tcp:${host}:5443`, `tcp:${host}:6443`],
    ],
  };
  const releases = await lightReleases(join(work, 'releases'), ['perl']);
  const reason = 'the index of the documents';
  const release = (version: string, seq: number, seconds: string): Promise<string> =>
    releases.make({
      ...{ version, seq },
      services: [
        lightService({
          ...{ name: 'asker', dependsOn: ['peer'] },
          env: { PEER: 'http://peer:8000', VERSION: seconds },
          egress: [{ to: host, ports: [NAMED.tcp], reason }],
        }),
        lightService({ name: 'peer', ports: [{ name: 'http', container: 8000, host: 8001 }] }),
      ],
    });
  const first = await release('1.0.0', 1, 'first');
  site = await startClusterSite({
    ...{ folder: join(work, 'plant'), cluster, side: releases, port: 5443, first },
    more: `  clients: [apps, ${host}/24]
  service: NodePort
egress:
  chat:
    asker: [{ to: ${host}, protocol: udp, ports: [${NAMED.udp}], reason: the log server }]
`,
  });
  await site.must('import', await release('2.0.0', 2, 'second'));
  for (const name of ['apps', 'others']) await client(name);
});

beforeEach((test) => {
  skipWithoutLongLab(test, cluster);
});

afterAll(async () => {
  await site?.stop();
  for (const each of listeners) each.close();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

function echoing(port: number, host: string): Socket {
  const socket = createSocket('udp4');
  socket.on('message', (_, from) => socket.send('here', from.port, from.address));
  return socket.bind(port, host);
}

/** A namespace with a pod that asks, to which no policy applies. */
async function client(namespace: string): Promise<void> {
  const [metadata, container] = [
    { name: 'client', namespace },
    { name: 'pod', image: SANDBOX, imagePullPolicy: 'Never', command: ['/bin/pod'] },
  ];
  await cluster.apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [container] } },
  );
  await cluster.kubectl(
    ...['wait', '--namespace', namespace, '--for=condition=Ready', 'pod/client'],
    '--timeout=60s',
  );
}

interface Running {
  readonly name: string;
  readonly address: string;
}

/** The pod of a service that runs. */
async function podOf(service: string): Promise<Running> {
  const selected = ['--selector', `stowage.dev/service=${service}`, '--output=json'];
  const { items } = JSON.parse(await cluster.kubectl('get', 'pods', '-n', NAMESPACE, ...selected));
  const [pod] = items.filter(
    // biome-ignore lint/suspicious/noExplicitAny: tests read what they expect and fail where it is not there
    ({ metadata, status }: any) => !metadata.deletionTimestamp && status.phase === 'Running',
  );
  return { name: pod.metadata.name, address: pod.status.podIP };
}

/** Which of the places a service reaches. */
async function reachedBy(service: string, all: readonly string[]): Promise<string[]> {
  const { name } = await podOf(service);
  const tried = ['perl', '-e', TRY, ...all];
  const seen = await cluster.kubectl('exec', '-n', NAMESPACE, name, '--', ...tried);
  return seen.trim().split('\n').filter(Boolean).toSorted();
}

/** Whether a pod of another namespace gets an answer of a service. */
async function answers(namespace: string, address: string, port = 8000): Promise<boolean> {
  const ask = ['/bin/pod', 'get', `http://${address}:${port}/release.json`];
  const { status, stdout } = await cluster.tryKubectl(
    ...['exec', '-n', namespace, 'client', '--', ...ask],
  );
  return status === 0 && stdout.trim() === '200';
}

/** The verdict of doctor about NetworkPolicies, the constraint of a plan about them, and what status says then. */
async function told() {
  const { json } = await site.run('doctor');
  const [policy] = json.findings.filter(
    (each: { check: string }) => each.check === 'NetworkPolicy',
  );
  const planned = await site.run('plan', 'chat@2.0.0');
  const [constraint] = planned.json.plan.constraints.filter((each: { needs: string }) =>
    each.needs.startsWith('a network plugin that isolates'),
  );
  const { json: status } = await site.must('status');
  return { doctor: policy, plan: constraint, status: status.notRestricted };
}

/** How long the nodes may take until they enforce a change. */
async function untilEnforced(): Promise<void> {
  await until('the policies on the nodes', 30, async () => {
    const reached = await reachedBy('asker', places.others);
    return reached.length === 0 || undefined;
  });
}

describe('when the nodes of a cluster enforce NetworkPolicies', () => {
  it('is shown by doctor, and the plan says nothing else', async () => {
    expect(await told()).toMatchObject({
      doctor: { verdict: 'right', found: expect.stringMatching(/^enforced in both directions/) },
      plan: { rule: 'network-policy', found: expect.stringMatching(/^proven at /) },
      status: undefined,
    });
  });

  it('installs, and nodes pull from the depot, which no service reaches', async () => {
    await site.must('install', 'chat@1.0.0');
    expect(readFileSync(site.accessLog, 'utf8')).toContain('/v2/chat/server/');
    await untilEnforced();
    expect(await reachedBy('asker', places.others)).toEqual([]);
  });

  it('lets a service reach its peer, and what its manifest and site.yaml name', async () => {
    const peer = 'tcp:peer:8000';
    expect(await reachedBy('asker', [peer, ...places.named])).toEqual(
      [peer, ...places.named].toSorted(),
    );
    // Nobody named them for the other service.
    expect(await reachedBy('peer', [...places.named, ...places.others])).toEqual([]);
  });

  it('lets clients in from the namespaces of site.yaml, to the ports of services', async () => {
    const { address } = await podOf('peer');
    expect(await answers('apps', address)).toBe(true);
    expect(await answers('others', address)).toBe(false);
  });

  it('lets clients outside the cluster in from the networks of site.yaml, at a port of a node', async () => {
    const outside = await clientAddress(cluster, NAMESPACE, 'peer');
    const said = await askOnce({ ...outside, path: '/release.json' });
    expect(said).toContain('1.0.0');
  });

  it('says in the plan when no client outside the cluster is let in', async () => {
    const found = async (): Promise<string> => {
      const { json } = await site.run('plan', 'chat@2.0.0');
      const ports = ({ rule }: { rule: string }): boolean => rule === 'outside-ports';
      return json.plan.constraints.filter(ports)[0].found;
    };
    expect(await found()).toMatch(/firewalls must allow them$/);
    const before = readFileSync(join(site.folder, 'site.yaml'), 'utf8');
    writeFileSync(join(site.folder, 'site.yaml'), before.replace(/, [0-9./]*\]/, ']'));
    expect(await found()).toMatch(/they admit no client outside the cluster/);
    writeFileSync(join(site.folder, 'site.yaml'), before);
  });

  it('upgrades and returns', async () => {
    for (const command of [['install', 'chat@2.0.0'], ['rollback']]) {
      await site.must(...command);
      await untilEnforced();
      expect(await reachedBy('asker', ['tcp:peer:8000'])).toEqual(['tcp:peer:8000']);
    }
  });

  it('reports a policy that somebody removed, and puts it back', async () => {
    await cluster.kubectl('delete', 'networkpolicies', '--all', '--namespace', NAMESPACE);
    await until('connections without policies', 30, async () => {
      const reached = await reachedBy('asker', places.others);
      return reached.length > 0 || undefined;
    });
    const { json } = await site.must('status');
    const drift = json.services.flatMap((each: { drift: object[] }) => each.drift);
    expect(drift).toContainEqual(
      expect.objectContaining({
        field: expect.stringMatching(/NetworkPolicy .*isolated-/),
        found: 'deleted',
      }),
    );
    await site.must('install', 'chat@1.0.0');
    await untilEnforced();
    expect(await reachedBy('asker', places.named)).toEqual([...places.named].toSorted());
  });
});

describe('when nothing enforces NetworkPolicies any more', () => {
  it('lets a service reach every place', async () => {
    await cluster.stopPolicies();
    const all = [...places.named, ...places.others];
    // Every place answers, so that only the policies kept the service from it.
    expect(await reachedBy('peer', all)).toEqual(all.toSorted());
    const { address } = await podOf('peer');
    expect(await answers('others', address)).toBe(true);
  });

  it('says so, in doctor, in the plan and in status', async () => {
    const found = expect.stringMatching(/are not enforced.*they can connect to any place$/);
    expect(await told()).toMatchObject({
      doctor: { verdict: 'doubt', found: expect.stringMatching(/^not enforced/) },
      plan: { rule: 'ignored', found },
      status: found,
    });
  });
});
