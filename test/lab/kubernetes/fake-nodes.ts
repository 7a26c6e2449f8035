import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { START_SECONDS, until } from '../process.ts';
import { type Daemon, startDaemon } from './daemon.ts';

export interface FakeNodesOptions {
  readonly count: number;
  /** The cluster's folder. */
  readonly folder: string;
  readonly programs: string;
  /** Where KWOK serves its own state. */
  readonly host: string;
  readonly kubeconfig: string;
  kubectl(...args: readonly string[]): Promise<string>;
}

const ANNOTATION = 'kwok.x-k8s.io/node';
const RESOURCES = { cpu: '64', memory: '512Gi', pods: '110', 'nvidia.com/gpu': '8' };

/** Nodes of KWOK: no containers, every pod on them becomes ready. A taint keeps away the pods that do not ask for them. */
export async function startFakeNodes(options: FakeNodesOptions): Promise<Daemon> {
  const { count, folder, programs, host, kubeconfig, kubectl } = options;
  const kwok = await startDaemon({
    name: 'kwok',
    folder,
    programs,
    command: [
      ...['kwok', `--config=${join(programs, 'kwok-stages.yaml')}`, `--kubeconfig=${kubeconfig}`],
      ...['--manage-all-nodes=false', `--manage-nodes-with-annotation-selector=${ANNOTATION}=fake`],
      ...['--node-lease-duration-seconds=40', `--server-address=${host}:10247`],
    ],
  });
  const list = join(folder, 'fake-nodes.json');
  const items = Array.from({ length: count }, (_, index) => fakeNode(`fake-${index + 1}`));
  writeFileSync(list, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  await kubectl('create', '--filename', list);
  await until('all fake nodes', START_SECONDS, async () => {
    const nodes = await kubectl('get', 'nodes', '--selector=type=kwok', '--no-headers');
    return nodes.match(/ Ready /g)?.length === count || undefined;
  });
  return kwok;
}

function fakeNode(name: string): object {
  const labels = {
    type: 'kwok',
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'amd64',
    'kubernetes.io/hostname': name,
  };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels, annotations: { [ANNOTATION]: 'fake' } },
    spec: { taints: [{ key: ANNOTATION, value: 'fake', effect: 'NoSchedule' }] },
    status: { capacity: RESOURCES, allocatable: RESOURCES },
  };
}
