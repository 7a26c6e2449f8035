import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AirGap, airGap } from '../lab/airgap.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { freePort } from '../lab/registry.ts';
import { startUpstream, type Upstream } from '../lab/upstream.ts';
import { type Ran, stowage } from './cli.ts';

const work = mkdtempSync(join(tmpdir(), 'stowage-journey-'));
let upstream: Upstream;
let gap: AirGap;
let engine: Engine;
let port: number;

const at = (...names: readonly string[]): string => join(work, ...names);

function writeManifest(name: string, edit: (text: string) => string = (text) => text): void {
  const text = readFileSync(new URL('../../manifests/demo.yaml', import.meta.url), 'utf8')
    .replace('127.0.0.1:15000', upstream.registry.host)
    .replace('default: 8080', `default: ${port}`);
  writeFileSync(at(name), edit(text));
}

const connected = (...args: readonly string[]): Promise<Ran> =>
  stowage(
    { cwd: work, env: { HF_ENDPOINT: upstream.hub.url, STOWAGE_STORE: at('store') } },
    ...args,
  );

const behind = (...args: readonly string[]): Promise<Ran> =>
  stowage(
    { cwd: work, env: { ...engine.env, STOWAGE_ROOT: at('site') }, through: gap.enter },
    ...args,
  );

async function question(): Promise<string> {
  const request = JSON.stringify({ prompt: 'hello', max_tokens: 12, temperature: 0 });
  const script = `fetch('http://127.0.0.1:${port}/v1/completions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: process.argv[1] }).then(async (r) => process.stdout.write((await r.json()).choices[0].text))`;
  return (await gap.run(process.execPath, ['--eval', script, request])).stdout;
}

/** Runs the commands of VERIFY.txt as printed on a bundle; returns 0 if all succeed. */
function byHand(
  bundle: string,
  text: string = readFileSync(join(at('one'), 'VERIFY.txt'), 'utf8'),
): number {
  const commands = [...text.matchAll(/^ {4}(.*)$/gm)].map((match) => match[1] ?? '');
  const script = commands.join('\n').replace('/path/to/ROOT.pem', at('pki/root.pem'));
  return spawnSync('bash', ['-e', '-c', script], { cwd: bundle }).status ?? -1;
}

function copyBundle(name: string): string {
  const copy = at(name);
  rmSync(copy, { recursive: true, force: true });
  cpSync(at('one'), copy, { recursive: true });
  return copy;
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}

function flipByte(path: string): void {
  const bytes = readFileSync(path);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

beforeAll(async () => {
  upstream = await startUpstream(at('upstream'));
  gap = await airGap();
  engine = isolatedEngine(at('engine'), { through: gap.enter });
  port = await freePort();
  writeManifest('chat.yaml');
  expect((await connected('pki', 'pki')).status).toBe(0);
  expect((await connected('lock', 'chat.yaml')).json).toMatchObject({ name: 'tiny-chat', seq: 1 });
  expect((await connected('pack', 'chat.yaml', '--no-installer', '--output', 'one')).status).toBe(
    0,
  );
  const signed = await connected(
    'sign',
    'one',
    '--key',
    'pki/release.key.pem',
    '--certificate',
    'pki/release.pem',
  );
  expect(signed.status).toBe(0);
});

afterAll(async () => {
  await engine?.destroy();
  await gap?.destroy();
  await upstream?.stop();
  rmSync(work, { recursive: true, force: true });
});

describe('when one lock is packed', () => {
  it('gives identical trees twice, except for signatures', async () => {
    expect(
      (await connected('pack', 'chat.yaml', '--no-installer', '--output', 'again')).status,
    ).toBe(0);
    const difference = spawnSync('diff', ['-r', '--exclude=signatures', at('one'), at('again')], {
      encoding: 'utf8',
    });
    expect(difference.stdout).toBe('');
    expect(difference.status).toBe(0);
  });

  it('gives identical trees from two stores', async () => {
    const env = { HF_ENDPOINT: upstream.hub.url, STOWAGE_STORE: at('other-store') };
    expect(
      (
        await stowage(
          { cwd: work, env },
          'pack',
          'chat.yaml',
          '--no-installer',
          '--output',
          'elsewhere',
        )
      ).status,
    ).toBe(0);
    expect(
      spawnSync('diff', ['-r', '--exclude=signatures', at('one'), at('elsewhere')]).status,
    ).toBe(0);
  });

  it('lets skopeo read an image of whole blobs by its tag', async () => {
    expect(
      (
        await connected(
          'pack',
          'chat.yaml',
          '--no-installer',
          '--output',
          'whole',
          '--part-size',
          'none',
        )
      ).status,
    ).toBe(0);
    const seen = spawnSync('skopeo', ['inspect', `oci:${at('whole')}:server`], {
      encoding: 'utf8',
    });
    expect(seen.stderr).toBe('');
    expect(JSON.parse(seen.stdout)).toMatchObject({ Architecture: 'amd64', Os: 'linux' });
    const raw = spawnSync('skopeo', ['inspect', '--raw', `oci:${at('whole')}:tiny`], {
      encoding: 'utf8',
    });
    expect(JSON.parse(raw.stdout)).toMatchObject({
      artifactType: 'application/vnd.cncf.model.manifest.v1+json',
    });
  });

  it('gives the same lock again, and the next sequence after a change', async () => {
    expect((await connected('lock', 'chat.yaml')).json).toMatchObject({ unchanged: true, seq: 1 });
  });
});

describe('when the bundle is checked by hand', () => {
  it('passes if unchanged', () => {
    expect(byHand(at('one'))).toBe(0);
  });

  it('is refused after one byte of any file is changed', async () => {
    const copy = copyBundle('flipped');
    for (const file of filesOf(copy)) {
      flipByte(join(copy, file));
      expect(byHand(copy), file).not.toBe(0);
      flipByte(join(copy, file));
    }
    expect(byHand(copy)).toBe(0);
  });

  it('is refused after a file is added or removed', () => {
    const copy = copyBundle('counted');
    for (const file of filesOf(copy)) {
      const bytes = readFileSync(join(copy, file));
      rmSync(join(copy, file));
      expect(byHand(copy), file).not.toBe(0);
      writeFileSync(join(copy, file), bytes);
    }
    for (const extra of [
      'extra',
      'blobs/sha256/extra',
      'signatures/extra.p7s',
      'signatures/.extra.p7s',
      '.hidden',
    ]) {
      writeFileSync(join(copy, extra), 'x');
      expect(byHand(copy), extra).not.toBe(0);
      rmSync(join(copy, extra));
    }
    expect(byHand(copy)).toBe(0);
  });
});

describe('when something is wrong on the connected side', () => {
  const cases: readonly [string, (text: string) => string, readonly string[], string][] = [
    ['an unknown field', (text) => `${text}\nsurprise: 1\n`, ['lock'], 'manifest-invalid'],
    [
      'a tag that does not exist',
      (text) => text.replace('llama-server:1.0', 'llama-server:9.9'),
      ['lock'],
      'source-not-found',
    ],
    [
      'a registry that is down',
      (text) => text.replace(/127\.0\.0\.1:\d+\/demo/, '127.0.0.1:1/demo'),
      ['lock'],
      'source-unreachable',
    ],
    [
      'a repository that does not exist',
      (text) => text.replace('demo/tiny-gguf', 'demo/none'),
      ['lock'],
      'source-not-found',
    ],
    [
      'a revision that does not exist',
      (text) => text.replace('@main', '@nowhere'),
      ['lock'],
      'source-not-found',
    ],
    [
      'a license that is not on the list',
      (text) => text.replace('[apache-2.0]', '[mit]'),
      ['lock'],
      'content-refused',
    ],
    ['a manifest without a lock', (text) => text, ['pack'], 'lock-stale'],
  ];
  it.each(cases)('reports %s, and leaves nothing behind', async (_, edit, command, code) => {
    writeManifest('wrong.yaml', edit);
    const before = readdirSync(work).toSorted();
    const ran = await connected(...command, 'wrong.yaml');
    expect(ran.json?.error).toMatchObject({ code, hint: expect.stringMatching(/\w/) });
    expect(ran.status).toBe(1);
    expect(readdirSync(work).toSorted()).toEqual(before);
  });

  it('says where to accept the license of a gated model', async () => {
    const folder = at('gated-files');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'model.gguf'), 'x'.repeat(20_000));
    upstream.hub.put({ name: 'demo/gated', revisions: { main: folder }, gated: 'manual' });
    writeManifest('wrong.yaml', (text) => text.replace('demo/tiny-gguf', 'demo/gated'));
    const { json, status } = await connected('lock', 'wrong.yaml');
    expect(json.error).toMatchObject({
      code: 'source-gated',
      hint: expect.stringContaining('demo/gated'),
    });
    expect(status).toBe(1);
  });

  it('leaves nothing that looks like a bundle when the disk is full', async () => {
    const small = at('small');
    mkdirSync(small);
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'none', small]).status).toBe(0);
    try {
      const ran = await connected(
        'pack',
        'chat.yaml',
        '--no-installer',
        '--output',
        join(small, 'bundle'),
      );
      expect(ran.json.error).toMatchObject({ code: 'space-insufficient' });
      expect(ran.status).toBe(1);
      expect(readdirSync(small)).toEqual([]);
    } finally {
      spawnSync('umount', [small]);
    }
  });

  it('does not overwrite a bundle', async () => {
    const ran = await connected('pack', 'chat.yaml', '--no-installer', '--output', 'one');
    expect(ran.json.error.code).toBe('output-exists');
  });
});

describe('when a bundle is not as it was signed', () => {
  /** The codes of verify and install, and whether intact files stay imported, so that the rest can follow. */
  const damages: readonly [string, string, string, boolean, (bundle: string) => void][] = [
    [
      'one changed byte of the model',
      'part-damaged',
      'part-damaged',
      true,
      (bundle) => flipByte(largestBlob(bundle)),
    ],
    [
      'a missing part',
      'part-missing',
      'bundle-incomplete',
      true,
      (bundle) => rmSync(largestBlob(bundle)),
    ],
    [
      'an extra file',
      'file-unexpected',
      'file-unexpected',
      false,
      (bundle) => writeFileSync(join(bundle, 'extra'), ''),
    ],
    [
      'no signature',
      'signature-missing',
      'signature-missing',
      false,
      (bundle) => rmSync(join(bundle, 'signatures'), { recursive: true }),
    ],
  ];
  /** What is missing may still arrive; what is wrong is not trusted. */
  const statusOf = (code: string): number =>
    ['part-missing', 'bundle-incomplete'].includes(code) ? 1 : 10;
  it.each(damages)(
    'refuses %s at verify and at install, and runs nothing',
    async (_, code, installCode, waits, damage) => {
      rmSync(at('refusing'), { recursive: true, force: true });
      const copy = copyBundle('bad');
      damage(copy);
      const verified = await connected('verify', copy, '--trust', 'pki/root.pem');
      expect(verified.json.error).toMatchObject({ code, hint: expect.stringMatching(/\w/) });
      expect(verified.status).toBe(statusOf(code));
      const fingerprint = await rootFingerprint();
      const options = [
        '--trust',
        'pki/root.pem',
        '--fingerprint',
        fingerprint,
        '--root',
        'refusing',
      ];
      const installed = await behind('install', copy, ...options);
      expect(installed.json.error.code).toBe(installCode);
      expect(installed.status).toBe(statusOf(installCode));
      expect(existsSync(at('refusing', 'current'))).toBe(false);
      expect(existsSync(at('refusing', 'trust.json'))).toBe(waits);
      expect((await engine.podman('ps', '--all', '--quiet')).trim()).toBe('');
    },
  );

  it('refuses the wrong root', async () => {
    expect((await connected('pki', 'other-pki')).status).toBe(0);
    const ran = await connected('verify', 'one', '--trust', 'other-pki/root.pem');
    expect(ran.json.error.code).toBe('signer-untrusted');
    expect(ran.status).toBe(10);
  });
});

describe('when it is installed behind the gap', () => {
  it('requires trust first, and its fingerprint', async () => {
    const without = await behind('install', 'one');
    expect(without.json.error.code).toBe('trust-missing');
    const unconfirmed = await behind('install', 'one', '--trust', 'pki/root.pem');
    expect(unconfirmed.json.error.code).toBe('trust-unconfirmed');
    expect(unconfirmed.status).toBe(10);
  });

  it('answers, and is unchanged when installed again', async () => {
    const fingerprint = await rootFingerprint();
    const ran = await behind(
      'install',
      'one',
      '--trust',
      'pki/root.pem',
      '--fingerprint',
      fingerprint,
    );
    expect(ran.stderr).not.toContain('error');
    expect(ran.status).toBe(0);
    expect(ran.json).toMatchObject({ changed: true, generation: 1 });
    expect(ran.json.receipt.gates.map((gate: { check: string }) => gate.check)).toEqual([
      'process',
      'readiness',
      'model',
      'acceptance',
    ]);
    expect(await question()).toBe(' air gap model is ready!');
    expect((await behind('install', 'one')).json).toMatchObject({ changed: false, generation: 1 });
  });

  it('mounts the weights read-only from the store, without a second copy', async () => {
    const ours = ['ps', '--filter', 'label=stowage.service=server', '--format', '{{.Names}}'];
    const container = (await engine.podman(...ours)).trim();
    const mounts = JSON.parse(
      await engine.podman('inspect', container, '--format', '{{json .Mounts}}'),
    );
    expect(mounts).toContainEqual(
      expect.objectContaining({ Destination: '/models/tiny', RW: false }),
    );
    const links = spawnSync('find', [at('site/layouts'), '-name', 'tiny.gguf', '-links', '+1'], {
      encoding: 'utf8',
    });
    expect(links.stdout).toContain('tiny.gguf');
  });

  it('signs a receipt that openssl verifies', () => {
    const receipts = readdirSync(at('site/receipts')).filter((name) => name.endsWith('.json'));
    expect(receipts).toHaveLength(1);
    const stem = at('site/receipts', receipts[0]?.replace('.json', '') ?? '');
    const args = [
      '-in',
      `${stem}.p7s`,
      '-content',
      `${stem}.json`,
      '-CAfile',
      at('site/keys/site.pem'),
    ];
    const partial = [
      'cms',
      '-verify',
      '-binary',
      '-purpose',
      'any',
      '-partial_chain',
      '-inform',
      'DER',
      '-out',
      '/dev/null',
    ];
    expect(spawnSync('openssl', [...partial, ...args]).status).toBe(0);
  });

  it('restores the previous release when the new one fails its test prompt', async () => {
    writeManifest('chat.yaml', (text) =>
      text.replace('version: 1.0.0', 'version: 1.1.0').replace('@main', '@v2'),
    );
    expect((await connected('lock', 'chat.yaml')).json).toMatchObject({ seq: 2 });
    expect((await connected('pack', 'chat.yaml', '--no-installer', '--output', 'two')).status).toBe(
      0,
    );
    await connected(
      'sign',
      'two',
      '--key',
      'pki/release.key.pem',
      '--certificate',
      'pki/release.pem',
    );
    const ran = await behind('install', 'two');
    expect(ran.json.error).toMatchObject({
      code: 'rolled-back',
      found: expect.stringContaining('second release'),
    });
    expect(ran.status).toBe(3);
    expect(await question()).toBe(' air gap model is ready!');
    expect((await behind('status')).json).toMatchObject({
      generation: { number: 1 },
      interrupted: false,
    });
    expect((await engine.podman('images', '--quiet')).trim().split('\n')).toHaveLength(1);
  });

  it('keeps a new release that passes, refuses an older bundle, and rolls back on demand', async () => {
    writeManifest('chat.yaml', (text) =>
      text
        .replace('version: 1.0.0', 'version: 1.2.0')
        .replace('@main', '@v2')
        .replace('air gap model is ready', 'second release speaking'),
    );
    expect((await connected('lock', 'chat.yaml')).json).toMatchObject({ seq: 3 });
    expect(
      (await connected('pack', 'chat.yaml', '--no-installer', '--output', 'three')).status,
    ).toBe(0);
    await connected(
      'sign',
      'three',
      '--key',
      'pki/release.key.pem',
      '--certificate',
      'pki/release.pem',
    );
    expect((await behind('install', 'three')).json).toMatchObject({ changed: true });
    expect(await question()).toBe(' second release speaking.');
    const old = await behind('install', 'one');
    expect(old.json.error.code).toBe('release-rollback');
    expect(old.status).toBe(10);
    expect((await behind('rollback')).status).toBe(0);
    expect(await question()).toBe(' air gap model is ready!');
  });

  it('leaves no container, image, laid-out file or mount after uninstall', async () => {
    expect((await behind('uninstall', 'nothing')).json.error.code).toBe('release-unknown');
    expect((await behind('uninstall', 'tiny-chat')).status).toBe(0);
    expect((await engine.podman('ps', '--all', '--quiet')).trim()).toBe('');
    expect((await behind('status')).json).toMatchObject({ services: [] });
  });
});

async function rootFingerprint(): Promise<string> {
  const printed = spawnSync(
    'openssl',
    ['x509', '-in', at('pki/root.pem'), '-noout', '-fingerprint', '-sha256'],
    { encoding: 'utf8' },
  );
  return printed.stdout.trim().replace(/^.*=/, '');
}

function largestBlob(bundle: string): string {
  const folder = join(bundle, 'blobs', 'sha256');
  const sized = readdirSync(folder).map((name) => ({
    name,
    size: readFileSync(join(folder, name)).length,
  }));
  return join(folder, sized.toSorted((a, b) => b.size - a.size)[0]?.name ?? '');
}
