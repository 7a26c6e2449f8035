// The demo on one host: a connected side, an air gap and a disconnected side. Each line that begins with $ is a command as a person
// types it.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answerText } from '../src/site/gate/acceptance.ts';
import { type AirGap, airGap, assertNoWayOut } from '../test/lab/airgap.ts';
import { isolatedEngine } from '../test/lab/engine.ts';
import { freePort } from '../test/lab/registry.ts';
import { answers, startUpstream } from '../test/lab/upstream.ts';
import { type Cleanup, demonstrate } from './demonstration/demonstrate.ts';
import { asTyped, fingerprintOf, run, say } from './demonstration/shown.ts';

const project = fileURLToPath(new URL('..', import.meta.url));
const stowage = join(project, 'scripts', 'stowage');
const keepAt = keepFolder(process.argv.slice(2));
const work = keepAt ?? mkdtempSync(join(tmpdir(), 'stowage-demo-'));
/** The travelling installer, once it was copied out of the bundle; no Node is involved behind the gap. */
const installer = join(work, 'bin', 'stowage');
const cleanups: Cleanup[] = keepAt === undefined ? [removeWork] : [];

await demonstrate(demo, cleanups);

function removeWork(): void {
  rmSync(work, { recursive: true, force: true });
}

async function demo(): Promise<void> {
  say('Upstream: a registry with a real inference server, a Hub with a real, tiny model');
  const upstream = await startUpstream(join(work, 'upstream'));
  let upstreamRuns = true;
  const stopUpstream = async (): Promise<void> => {
    if (upstreamRuns) await upstream.stop();
    upstreamRuns = false;
  };
  cleanups.push(
    () => rmSync(join(work, 'upstream'), { recursive: true, force: true }),
    stopUpstream,
  );
  console.log(`registry ${upstream.registry.host}, Hub ${upstream.hub.url}`);
  const connected = { HF_ENDPOINT: upstream.hub.url, STOWAGE_STORE: join(work, 'store') };
  const port = await freePort();

  say('Connected side: lock, pack, sign, verify');
  await show(connected, 'pki', 'pki', '--organization', 'Demo Agency');
  for (const [version, revision] of [
    ['1.0.0', 'main'],
    ['1.1.0', 'v2'],
  ] as const) {
    writeManifest(version, revision, upstream.registry.host, port);
    console.log(`\n(chat.yaml now says version ${version}, model revision ${revision})`);
    await show(connected, 'lock', 'chat.yaml');
    await show(connected, 'pack', 'chat.yaml', '--output', version);
    await show(
      connected,
      'sign',
      version,
      '--key',
      'pki/release.key.pem',
      '--certificate',
      'pki/release.pem',
    );
  }
  await show(connected, 'verify', '1.0.0', '--trust', 'pki/root.pem');
  say('The same by hand, as VERIFY.txt says, with openssl and sha512sum alone');
  await verifyByHand('1.0.0');
  await stopUpstream();

  say('Disconnected side: a network namespace with no way out');
  const gap = await airGap();
  cleanups.push(() => gap.destroy());
  const refusals = await assertNoWayOut(gap.enter);
  console.log(
    `a connection to the outside: ${refusals.connect}; a name lookup: ${refusals.lookup}`,
  );
  const engine = isolatedEngine(join(work, 'engine'), { through: gap.enter });
  cleanups.push(() => engine.destroy());
  const site = { ...engine.env, STOWAGE_ROOT: join(work, 'site') };
  const fingerprint = await fingerprintOf(work, 'pki/root.pem');

  say('The installer from the bundle, checked by hand and copied to the host');
  const name = `stowage-linux-${process.arch}`;
  const copy = [
    `grep ' ${name}$' SHA512SUMS | sha512sum --check --strict`,
    `install -D -m 0755 ${name} ${installer}`,
  ];
  for (const line of copy) console.log(`$ ${line}`);
  await run('bash', ['-e', '-c', copy.join('\n')], { cwd: join(work, '1.0.0') });

  say('Install, with the root fingerprint from paper');
  await showBehind(
    gap,
    site,
    0,
    'install',
    '1.0.0',
    '--trust',
    'pki/root.pem',
    '--fingerprint',
    fingerprint,
  );
  await question(gap, port, answers.v1);

  say(
    'A second release, whose model no longer gives the answer that its acceptance prompt asks for',
  );
  await showBehind(gap, site, 3, 'install', '1.1.0');
  console.log('the previous version was restored automatically; running now:');
  await showBehind(gap, site, 0, 'status');
  await question(gap, port, answers.v1);

  say('Uninstall');
  await showBehind(gap, site, 0, 'uninstall', 'tiny-chat');
  const left =
    (await engine.podman('ps', '--all', '--quiet')) + (await engine.podman('images', '--quiet'));
  if (left.trim() !== '') throw new Error(`containers or images are left: ${left}`);
  console.log('no container and no image is left');
}

/** The model is asked by plain HTTP from behind the gap, as any program there would. */
async function question(gap: AirGap, port: number, expected: string): Promise<void> {
  const request = JSON.stringify({
    model: 'tiny',
    prompt: 'hello',
    max_tokens: 12,
    temperature: 0,
  });
  const ask = `fetch('http://127.0.0.1:${port}/v1/completions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: process.argv[1] }).then(async (r) => process.stdout.write(await r.text()))`;
  const { stdout, stderr } = await gap.run(process.execPath, ['--eval', ask, request]);
  const answer = answerText(stdout);
  if (answer === undefined) throw new Error(`no answer: ${stdout} ${stderr}`);
  console.log(`\n  question: hello\n  answer:  ${answer}`);
  if (answer.trim() !== expected.trim()) throw new Error(`expected the answer ${expected}`);
}

/** Runs the commands of a bundle's VERIFY.txt as they stand there. */
async function verifyByHand(bundle: string): Promise<void> {
  const text = readFileSync(join(work, bundle, 'VERIFY.txt'), 'utf8');
  const commands = [...text.matchAll(/^ {4}(.*)$/gm)].map((match) => match[1] ?? '');
  const script = commands
    .map((line) => line.replace('/path/to/ROOT.pem', join(work, 'pki/root.pem')))
    .join('\n');
  for (const line of script.split('\n')) console.log(`$ ${line}`);
  await run('bash', ['-e', '-c', script], { cwd: join(work, bundle) });
}

function writeManifest(version: string, revision: string, registry: string, port: number): void {
  const text = readFileSync(join(project, 'manifests', 'demo.yaml'), 'utf8')
    .replace('version: 1.0.0', `version: ${version}`)
    .replace('@main', `@${revision}`)
    .replace('127.0.0.1:15000', registry)
    .replace('default: 8080', `default: ${port}`);
  mkdirSync(work, { recursive: true });
  writeFileSync(join(work, 'chat.yaml'), text);
}

async function show(env: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<void> {
  console.log(`\n$ stowage ${asTyped(args)}`);
  await run(stowage, args, { env, cwd: work });
}

async function showBehind(
  gap: AirGap,
  env: NodeJS.ProcessEnv,
  status: number,
  ...args: readonly string[]
): Promise<void> {
  console.log(`\n$ stowage ${asTyped(args)}`);
  const [command = '', ...enter] = gap.enter;
  await run(command, [...enter, installer, ...args], { env, cwd: work, status });
}

function keepFolder(args: readonly string[]): string | undefined {
  if (args.length === 0) return undefined;
  const [flag, folder] = args;
  if (flag === '--keep' && folder !== undefined && args.length === 2) return resolve(folder);
  console.error('usage: scripts/demo [--keep DIR]');
  process.exit(2);
}
