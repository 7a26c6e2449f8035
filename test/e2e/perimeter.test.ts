import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Bundle } from '../../src/format/bundle.ts';
import { type AirGap, airGap, assertNoWayOut } from '../lab/airgap.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { run } from '../lab/process.ts';
import { type Answers, Typist } from '../lab/typist.ts';
import { answers as modelAnswers, startUpstream } from '../lab/upstream.ts';
import { safetensorsFile } from '../lab/weights.ts';
import { commandsOfPage, perimeterPage } from '../support/documents.ts';
import { buildInstaller, type ConnectedSide, connectedSide, demoManifest } from './connected.ts';

// The page of building inside the network, typed in a network namespace without a way out, on a host without Node.
const project = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(project, perimeterPage), 'utf8');
const work = mkdtempSync(join(tmpdir(), 'per-'));
const at = (...names: readonly string[]): string => join(work, ...names);
const screens = new Map<string, string>();
let side: ConnectedSide;
let gap: AirGap;
let engine: Engine;
let person: Typist;

/** What the paper copies say, and the passphrase of the keys. */
const answers: Answers = [
  [/[Pp]assphrase.*: ?$/, () => 'correct horse battery staple'],
  [
    /To be trusted: trust document 1\s[\s\S]*from your paper copy: $/,
    () => (screens.get('sha256sum trust/1.trust.json') ?? '').slice(48, 64),
  ],
  [
    /last 16 digits of its SHA-256 fingerprint from your paper copy: $/,
    () => side.fingerprint.replaceAll(':', '').toLowerCase().slice(-16),
  ],
];

beforeAll(async () => {
  await buildInstaller();
  for (const each of ['media/stick', 'home/tuned/adapter', 'var', 'var-work'])
    mkdirSync(at(each), { recursive: true });
  const upstream = await startUpstream(at('upstream'));
  try {
    side = await connectedSide(work, upstream);
    const folder = await side.release(demoManifest(upstream, 8080), 'base', '--toolkit');
    cpSync(folder, at('media/stick/tiny-chat-1.0.0'), { recursive: true });
    cpSync(side.root, at('media/stick/root.pem'));
  } finally {
    await upstream.stop();
  }
  gap = await airGap({ ownRun: true });
  const [enter = '', ...inside] = gap.enter;
  const layers = `lowerdir=/var/lib,upperdir=${at('var')},workdir=${at('var-work')}`;
  await run(enter, [...inside, 'mount', '-t', 'overlay', 'overlay', '-o', layers, '/var/lib']);
  await run(enter, [...inside, 'mount', '--bind', at('media'), '/media']);
  for (const place of ['/usr/local/bin', '/dev/shm', '/var/tmp'])
    await run(enter, [...inside, 'mount', '-t', 'tmpfs', 'tmpfs', place]);
  engine = isolatedEngine(at('engine'), { through: gap.enter });
  const env = {
    ...engine.env,
    HOME: at('home'),
    PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  };
  person = await Typist.sit(at('bench'), env, answers, gap.enter);
  await run('bash', ['-c', `truncate -s 0 ${at('home/depot.log')}`]);
  // What the trainer and the engineer wrote.
  writeFileSync(
    at('home/tuned/adapter/adapter_config.json'),
    JSON.stringify({ peft_type: 'LORA', base_model_name_or_path: 'demo/tiny-gguf', r: 4 }),
  );
  const tensor = { dtype: 'F32', shape: [4, 8], data_offsets: [0, 128] };
  writeFileSync(
    at('home/tuned/adapter/adapter_model.safetensors'),
    safetensorsFile({ 'base_model.model.lora_A.weight': tensor }),
  );
  const [, manifest = ''] = /^```yaml\n([\s\S]*?)^```$/m.exec(page) ?? [];
  writeFileSync(at('home/tuned/stowage.yaml'), manifest);
});

afterAll(async () => {
  await person?.type('kill %1', 10).catch(() => undefined);
  await person?.leave();
  await engine?.destroy();
  await gap?.destroy();
  rmSync(work, { recursive: true, force: true });
});

const read = <T>(path: string): T =>
  JSON.parse(readFileSync(at('home/tuned/tuned-chat-1.0.0', path), 'utf8'));

describe('when a bundle is built inside the network', () => {
  it('has no connection to the outside', async () => {
    await assertNoWayOut(gap.enter);
  });

  const blocks = commandsOfPage(page).filter(({ notRun }) => notRun === undefined);

  it.each(blocks)('the commands of the page in line $line work as printed', async (block) => {
    for (const command of block.commands) {
      const { status, screen } = await person.type(command, 240);
      screens.set(command, screen);
      expect(status, `line ${block.line}: ${command}\n${screen}`).toBe(0);
    }
  });

  it('the tuned release answers, and no command was left out', () => {
    expect(blocks.length).toBeGreaterThan(5);
    expect([...screens.values()].at(-1)).toContain(modelAnswers.v1.trim());
  });

  it('the toolkit is in the carried bundle, signed and described like the installer', () => {
    const carried = at('media/stick/tiny-chat-1.0.0');
    const name = 'stowage-toolkit-linux-x64';
    expect(statSync(join(carried, name)).mode & 0o111).toBe(0o111);
    const text = (path: string): string => readFileSync(join(carried, path), 'utf8');
    expect(text('SHA512SUMS')).toContain(`  ${name}\n`);
    expect(text('OPERATOR.txt')).toContain(
      `install -m 0755 ${name} /usr/local/bin/stowage-toolkit`,
    );
    expect(text('attestations/provenance.slsa.json')).toContain(name);
    const bill = JSON.parse(text('attestations/sbom.cdx.json')) as {
      components: { name: string; components?: { name: string }[] }[];
    };
    const toolkit = bill.components.find((each) => each.name === name);
    expect(toolkit?.components?.map((each) => each.name)).toEqual(
      expect.arrayContaining(['hub', 'node', 'zod']),
    );
  });

  it('the site keeps the toolkit, executable', () => {
    const [release = ''] = readdirSync(at('var/stowage/releases'));
    const path = at('var/stowage/releases', release, 'stowage-toolkit-linux-x64');
    expect(statSync(path).mode & 0o777).toBe(0o755);
  });

  it('its provenance names the depot and the folder', () => {
    const { predicate } = read<{
      predicate: {
        buildDefinition: { resolvedDependencies: { uri?: string; digest: object }[] };
      };
    }>('attestations/provenance.slsa.json');
    const { resolvedDependencies } = predicate.buildDefinition;
    const from = (uri: string): object | undefined =>
      resolvedDependencies.find((each) => each.uri === uri)?.digest;
    expect(from('http://127.0.0.1:5080/demo/tiny-gguf')).toEqual({
      gitCommit: expect.stringMatching(/^[0-9a-f]{40}$/),
    });
    expect(from('./adapter')).toEqual({ sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(from('oci://127.0.0.1:5080/tiny-chat/server')).toBeDefined();
  });

  it('the base model has the bytes and the license of the carried bundle', () => {
    const carried: Bundle = JSON.parse(
      readFileSync(at('media/stick/tiny-chat-1.0.0/bundle.json'), 'utf8'),
    );
    const [base] = read<Bundle>('bundle.json').models;
    expect(base?.files).toEqual(carried.models[0]?.files);
    expect(base).toMatchObject({ commit: carried.models[0]?.commit, license: 'apache-2.0' });
  });
});
