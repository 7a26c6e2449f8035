// Makes a site folder as the program in dist/ leaves it, for every later version to open: `node scripts/make-site-corpus.ts`
// after `npm run build`, once for each release and each version of its documents (`documents-3`). It is kept in
// test/corpus/sites/VERSION: a folder that is there already is never touched. The release key is not kept; the site's own key, which signs its receipts, is a part of the folder.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PRODUCT_VERSION } from '../src/core/product.ts';
import { writeCanonical } from '../src/format/document.ts';
import { planKind } from '../src/format/plan.ts';
import { install } from '../src/site/applying/change-release.ts';
import { SiteFolder } from '../src/site/site-folder.ts';
import { encodePem } from '../src/trust/pem.ts';
import { context } from '../test/support/context.ts';
import { fakeTarget } from '../test/support/fake-engine.ts';
import { fakeHost } from '../test/support/fake-host.ts';
import { makeAuthority, resign, SMALL_SERVICE, smallBundle } from '../test/support/small-bundle.ts';

const here = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
/** What bundles and services have that documents before version 3 cannot say. */
const ofVersion3 = { cluster: { podSecurity: 'baseline' }, services: { ipc: 'host' } } as const;
const version = `v${PRODUCT_VERSION}-documents-3`;
const place = here(`test/corpus/sites/${version}`);
if (existsSync(place)) {
  console.log(`${version}: kept`);
  process.exit(0);
}

const work = mkdtempSync(join(tmpdir(), 'stowage-corpus-'));
const site = join(work, 'site');
const authority = makeAuthority('Corpus Agency');
const root = join(work, 'root.pem');
const paper = authority.root.fingerprint;
const made = new Map<string, string>();

try {
  mkdirSync(site);
  const yaml = [
    'apiVersion: stowage/v1',
    'name: vault',
    'target: depot',
    'labels: { hall: north }',
  ];
  writeFileSync(join(site, 'site.yaml'), `${yaml.join('\n')}\n`);
  writeFileSync(root, encodePem('CERTIFICATE', authority.root.der));
  let seq = 0;
  for (const [name, version] of [
    ['chat', '1.0.0'],
    ['chat', '1.1.0'],
    ['tools', '1.0.0'],
    ['chat', '1.2.0'],
    ['chat', '1.3.0'],
    ['chat', '1.4.0'],
  ] as const) {
    seq += 1;
    const folder = join(work, 'bundles', `${name}-${version}`);
    mkdirSync(folder, { recursive: true });
    const { cluster } = ofVersion3;
    const options = { name, version, seq, authority, images: false, installer: true, cluster };
    const bundle = await smallBundle({ ...options, place: folder, platform: 'linux/amd64' });
    made.set(`${name}-${version}`, bundle.folder);
  }
  const notice = { name: 'recalls', version: '1.0.0', notice: true, authority, images: false };
  const recalls = [{ release: 'tools', versions: '<0.9.0', reason: 'it answered in plain text' }];
  const noticeFolder = join(work, 'bundles', 'recalls');
  mkdirSync(noticeFolder);
  const recall = await smallBundle({
    ...notice,
    recalls,
    place: noticeFolder,
    platform: 'linux/amd64',
  });

  run('install', bundle('chat-1.0.0'), '--trust', root, '--fingerprint', paper);
  run('install', bundle('chat-1.1.0'));
  run('install', bundle('tools-1.0.0'));
  run('rollback');
  run('import', recall.folder);
  const until = new Date(Date.now() + 6 * 86_400_000).toISOString().replace(/\.\d+Z$/, 'Z');
  run('override', 'window', '--by', 'A. Duty', '--reason', 'ticket 4711', '--until', until);
  run('import', bundle('chat-1.2.0'));
  run('receipt', 'write');
  run('plan', 'chat', '--output', join(work, 'plan.json'));
  const interrupted = join(work, 'interrupted');
  cpSync(site, interrupted, { recursive: true, verbatimSymlinks: true });
  kill(interrupted, '3 after', 'install', 'chat@1.2.0');

  mkdirSync(place, { recursive: true });
  const keep = (from: string, to: string): void =>
    cpSync(from, join(place, to), { recursive: true, verbatimSymlinks: true });
  keep(site, 'site');
  // What the interrupted install added to it.
  for (const each of ['apply', `layouts/${layoutOf(interrupted)}`])
    keep(join(interrupted, each), `interrupted/${each}`);
  keep(join(work, 'plan.json'), 'plan.json');
  keep(bundle('chat-1.3.0'), 'next');
  const newer = bundle('chat-1.4.0');
  resign(newer, authority, {
    index: (index) => ({ ...index, schema: 'stowage/bundle/v999', later: true }),
  });
  keep(newer, 'newer');
  rmSync(join(place, 'site', 'lock'), { recursive: true, force: true });
  const served = await withServices(join(work, 'served'));
  for (const each of ['generations', 'plan.json', 'receipts'])
    keep(join(served, each), `served/${each}`);
  console.log(`${version}: made`, readdirSync(place).join(' '));
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** A site whose services an engine in memory runs: for what documents say of services. */
async function withServices(folder: string): Promise<string> {
  const bundles = join(folder, 'bundles');
  mkdirSync(bundles, { recursive: true });
  const served = await smallBundle({
    ...{ place: bundles, authority, name: 'served', platform: 'linux/amd64' },
    parameters: { port: { type: 'integer', default: 18_080, description: 'the port of the API' } },
    secrets: { 'api-key': { description: 'what clients send' } },
    services: [
      {
        ...{ ...SMALL_SERVICE, ...ofVersion3.services },
        env: { LOG_LEVEL: 'info' },
        secrets: [{ secret: 'api-key', path: '/run/secrets/api-key' }],
        ports: [{ name: 'http', container: 8080, host: '${parameters.port}' }],
      },
      { name: 'worker', image: 'server', user: 'image', sharedMemory: '8MiB' },
    ],
  });
  const opened = new SiteFolder(join(folder, 'site'));
  mkdirSync(opened.root, { recursive: true });
  const key = join(folder, 'api-key');
  writeFileSync(key, 'corpus', { mode: 0o600 });
  const yaml = [
    'apiVersion: stowage/v1',
    'name: vault',
    `secrets: { served: { api-key: { file: ${key} } } }`,
  ];
  writeFileSync(opened.path('site.yaml'), `${yaml.join('\n')}\n`);
  const target = fakeTarget();
  const host = fakeHost({});
  const options = { ...context(), site: opened, target, host, trust: authority.trust };
  const { plan } = await install(served.folder, options);
  writeFileSync(opened.path('plan.json'), writeCanonical(planKind, plan));
  return opened.root;
}

function layoutOf(folder: string): string {
  const before = new Set(readdirSync(join(site, 'layouts')));
  return readdirSync(join(folder, 'layouts')).find((each) => !before.has(each)) ?? '';
}

function bundle(name: string): string {
  return made.get(name) ?? '';
}

function run(...words: readonly string[]): void {
  const env = { ...process.env, STOWAGE_ROOT: site };
  execFileSync(process.execPath, [here('dist/main.js'), ...words], { env, stdio: 'inherit' });
}

/** Runs the program until it wrote this line of the apply journal. */
function kill(folder: string, moment: string, ...words: readonly string[]): void {
  const preload = here('test/e2e/kill-at-journal.ts');
  const env = { ...process.env, STOWAGE_ROOT: folder, STOWAGE_TEST_KILL: moment };
  const { signal } = spawnSync(
    process.execPath,
    ['--import', preload, here('dist/main.js'), ...words],
    { env, stdio: 'inherit' },
  );
  if (signal !== 'SIGKILL') throw new Error('the program was not interrupted');
}
