// node test/lab/kubernetes/up.ts [NODES] [FAKE_NODES]   runs a cluster until SIGTERM or Ctrl-C
import { once } from 'node:events';
import { startCluster } from './cluster.ts';

const [nodes = '2', fakeNodes = '0'] = process.argv.slice(2);
const cluster = await startCluster({ nodes: Number(nodes), fakeNodes: Number(fakeNodes) });
console.log(`export KUBECONFIG=${cluster.kubeconfig} PATH=${cluster.programs}:$PATH`);
console.log(`# the nodes reach ${cluster.host}; logs lie in ${cluster.folder}/log`);
const alive = setInterval(() => {}, 2 ** 30);
await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
clearInterval(alive);
await cluster.stop();
