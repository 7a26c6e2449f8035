import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, vi } from 'vitest';
import { trustFingerprint } from '../../src/bundle/admission/trust-files.ts';
import { checkDocument, writeCanonical } from '../../src/format/document.ts';
import { siteKind } from '../../src/format/site.ts';
import { trustKind } from '../../src/format/trust.ts';
import { createKubernetesTarget } from '../../src/target/kubernetes/kubernetes.ts';
import type { Cluster } from '../lab/kubernetes/cluster.ts';
import { clusterObjects } from '../support/cluster-objects.ts';
import {
  skipWithoutLongLab,
  startLongLabCluster,
  trustedRegistry,
} from '../support/kubernetes-lab.ts';
import type { SmallBundle } from '../support/small-bundle.ts';
import { shellImage } from '../target/container/shell-image.ts';
import { everyTarget, type TargetBench, type TargetContent } from '../target/target-suite.ts';
import { stowage } from './cli.ts';

// What every target must do, on a real cluster. Each bench is a site with namespaces of its own, whose nodes pull from one registry.
// Half an hour: `npm run test:cluster-suite` runs it, and other runs say that they did not.
vi.setConfig({ testTimeout: 1_800_000 });

const PORT = 8000;
const work = mkdtempSync(join(tmpdir(), 'kubernetes-target-'));
/** The versions whose servers do not get ready: they ask here, again and again. */
const spoiled = new Set<string>();
const spoiling = createServer(({ url = '' }, response) => {
  response.writeHead(spoiled.has(url.slice(1)) ? 200 : 404).end();
});
let cluster: Cluster;
let registry = '';
let benches = 0;

beforeEach((test) => {
  skipWithoutLongLab(test, cluster);
});

afterAll(async () => {
  spoiling.close();
  await cluster?.stop();
  rmSync(work, { recursive: true, force: true });
});

/** Serves `/ready` while its version is not spoiled. */
const server = (asked: string): string =>
  [
    'busybox mkdir -p /tmp/www',
    `version=$(busybox sed 's/.*-\\([0-9.]*\\)".*/\\1/' /srv/release.json)`,
    `ready() { if busybox wget -q -O /dev/null ${asked}/$version 2>/dev/null; then busybox rm -f /tmp/www/ready; else touch /tmp/www/ready; fi; }`,
    'ready; echo serving $version',
    `busybox httpd -f -p ${PORT} -h /tmp/www & served=$!`,
    'trap "kill $served; exit 0" TERM',
    'while true; do ready; sleep 0.3 & wait $!; done',
  ].join('\n');

const health = {
  ...{ server: 'http', port: 'http', path: '/ready' },
  ...{ startupSeconds: 5, startupLimitSeconds: 60, soakSeconds: 0 },
};

async function content(): Promise<TargetContent | undefined> {
  const lab = await startLongLabCluster({ nodes: 2 });
  if (lab === undefined) return undefined;
  cluster = lab;
  registry = (await trustedRegistry(cluster)).host;
  await new Promise<void>((resolve) => spoiling.listen(0, cluster.host, resolve));
  const { port } = spoiling.address() as AddressInfo;
  const layout = join(work, 'image');
  const { image } = await shellImage(layout, 'chat');
  return {
    image: { layout, manifest: image.manifest },
    members: {
      server: {
        args: [server(`http://${cluster.host}:${port}`)],
        mounts: [
          { model: 'tiny', path: '/models/tiny' },
          { files: 'settings', path: '/srv/release.json' },
        ],
        ports: [{ name: 'http', container: PORT, host: 18_000 }],
      },
      helper: { args: ['sleep 1000000 & trap "kill $!; exit 0" TERM; wait'] },
    },
    carry,
  };
}

/** Pushes the content of a bundle to the registry of the nodes, from a site that serves for that alone. */
async function carry({ folder, trust, bundle }: SmallBundle): Promise<void> {
  const cwd = join(work, `push-${bundle.version}`);
  mkdirSync(cwd);
  const root = join(cwd, 'trust.json');
  writeFileSync(root, writeCanonical(trustKind, trust));
  const trusted = ['--trust', root, '--fingerprint', trustFingerprint(trust)];
  const to = [registry, '--modelcars', '--ca-file', cluster.ca.certificate];
  for (const args of [
    ['import', folder, ...trusted],
    ['push', bundle.name, ...to],
  ]) {
    const env = { STOWAGE_SITE: join(cwd, 'site') };
    const { status, stderr } = await stowage({ cwd, env }, ...args);
    if (status !== 0) throw new Error(`stowage ${args[0]}: ${stderr}`);
  }
}

function bench(): TargetBench {
  benches += 1;
  spoiled.clear();
  const prefix = `t${benches}-`;
  const namespace = `${prefix}chat`;
  const { kubeconfig, kubectl } = cluster;
  const kubernetes = { kubeconfig, namespacePrefix: prefix, images: { from: 'push', registry } };
  const document = { apiVersion: 'stowage/v1', name: `plant-${benches}`, target: 'kubernetes' };
  const settings = { ...document, kubernetes };
  const root = join(work, `proof-${benches}`);
  mkdirSync(root);
  const site = checkDocument(siteKind, settings);
  const target = createKubernetesTarget({ env: {}, root, settings: async () => site });
  let hook: (moment: 'before' | 'after') => void = () => {};
  const deploymentOf = async (service: string): Promise<string> => {
    const names = await kubectl('get', 'deployments', '-n', namespace, '--output=name');
    const found = names.split('\n').find((each) => each.includes(`/${service}-`));
    if (found === undefined) throw new Error(`${service} has no Deployment among ${names}`);
    return found;
  };
  return {
    target: {
      ...target,
      run: async (...args) => {
        hook('before');
        await target.run(...args);
        hook('after');
      },
    },
    settings: JSON.stringify(settings),
    held: async () =>
      (await clusterObjects(cluster)).split('\n').filter((line) => line.includes(prefix)),
    watch: (each) => {
      hook = each;
    },
    spoil: (version) => void spoiled.add(version),
    // By the same manager: a change of another one is refused until that gives it up.
    tamper: async (service) => {
      const name = await deploymentOf(service);
      const object = JSON.parse(await kubectl('get', '-n', namespace, name, '--output=json'));
      const { labels, annotations } = object.metadata;
      object.metadata = { name: object.metadata.name, namespace, labels, annotations };
      delete object.status;
      object.spec.template.spec.containers[0].args[0] += ' # changed by hand';
      const file = join(work, 'changed.json');
      writeFileSync(file, JSON.stringify(object));
      const manager = ['--server-side', '--field-manager=stowage', '--force-conflicts'];
      await kubectl('apply', ...manager, '--filename', file);
      await kubectl('rollout', 'status', '-n', namespace, name, '--timeout=60s');
    },
    halt: async (service) => {
      const name = await deploymentOf(service);
      await kubectl('delete', '-n', namespace, name, '--cascade=foreground');
    },
    close: async () => {
      await kubectl('delete', 'namespace', namespace, '--ignore-not-found', '--wait=false');
    },
  };
}

everyTarget('a Kubernetes cluster', health, bench, content);
