// node test/lab/kubernetes/up.ts [NODES] [FAKE_NODES]   runs a cluster until SIGTERM or Ctrl-C
// node test/lab/kubernetes/up.ts clear                  removes what killed runs left
import { once } from 'node:events';
import { startCluster } from './cluster.ts';
import { clearPlaces } from './place.ts';

const [nodes = '2', fakeNodes = '0'] = process.argv.slice(2);
if (nodes === 'clear') await clearPlaces();
else await up({ nodes: Number(nodes), fakeNodes: Number(fakeNodes) });

async function up(size: { readonly nodes: number; readonly fakeNodes: number }): Promise<void> {
  const ended = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  // A promise alone keeps no process alive.
  const alive = setInterval(() => {}, 60_000);
  const cluster = await startCluster(size);
  console.log(`export KUBECONFIG=${cluster.kubeconfig} PATH=${cluster.programs}:$PATH`);
  console.log(`# the nodes reach ${cluster.host}; logs lie in ${cluster.folder}/log`);
  await ended;
  clearInterval(alive);
  await cluster.stop();
}
