import { createHash, X509Certificate } from 'node:crypto';
import {
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
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { trustFingerprint } from '../../src/bundle/admission/trust-files.ts';
import { writeCanonical } from '../../src/format/document.ts';
import type { KnownEgress } from '../../src/format/known-egress.ts';
import type { Rehearsal, RehearsedAttempt } from '../../src/format/rehearsal.ts';
import { trustKind } from '../../src/format/trust.ts';
import { hostPlatform } from '../../src/target/host/platform.ts';
import { type CallingImage, callingImage } from '../lab/calling-home/image.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { capture } from '../lab/process.ts';
import { skipBecause } from '../support/skip-because.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { shellImage } from '../target/container/shell-image.ts';
import { type Ran, stowage } from './cli.ts';

// A release of three services that call home with requests, huggingface_hub, the fetch of Node, and Go, rehearsed on podman.

const work = mkdtempSync(join(tmpdir(), 'reh-'));
const at = (...names: readonly string[]): string => join(work, ...names);
const PORT = 18_400;
let engine: Engine;
let image: CallingImage;
let missing: string | undefined;
let first: SmallBundle;

interface Settings {
  readonly python?: object;
  readonly node?: object;
  readonly go?: object;
  readonly knownEgress?: readonly KnownEgress[];
  readonly port?: number;
}

async function release(
  version: string,
  seq: number,
  settings: Settings = {},
): Promise<SmallBundle> {
  const { python = {}, node = {}, go = {}, knownEgress, port = PORT } = settings;
  const user = '10001:10001';
  return smallBundle({
    ...{ place: at(`made-${version}`), version, seq, image },
    ...(first === undefined ? {} : { authority: first.authority }),
    services: [
      {
        ...{ name: 'answers', image: 'server', user, env: python },
        args: ['/bin/python3', '/app/server.py'],
        ports: [{ name: 'http', container: 8080, host: port }],
        health: { server: 'http', port: 'http', path: '/', startupSeconds: 120 },
      },
      {
        ...{ name: 'updates', image: 'server', user, env: node },
        args: ['/bin/node', '/app/update-check.mjs'],
      },
      { ...{ name: 'logs', image: 'server', user, env: go }, args: ['/app/ship-logs'] },
    ],
    acceptance: [
      { service: 'answers', model: 'tiny', prompt: 'Say good.', expect: { contains: 'good' } },
    ],
    ...(knownEgress === undefined ? {} : { knownEgress }),
  });
}

beforeAll(async () => {
  const found = await callingImage();
  if ('missing' in found) {
    missing = found.missing;
    return;
  }
  image = found;
  engine = isolatedEngine(at('engine'));
  // Stowage sets both for every service.
  first = await release('1.0.0', 1, { python: { DO_NOT_TRACK: '0', HF_HUB_OFFLINE: '0' } });
}, 900_000);

beforeEach((context) => {
  if (missing !== undefined) skipBecause(context, missing);
});

afterAll(async () => {
  await engine?.destroy();
  rmSync(work, { recursive: true, force: true });
});

const run = (...args: readonly string[]): Promise<Ran> =>
  stowage({ cwd: work, env: { ...engine.env, STOWAGE_SITE: at('site') } }, ...args);

const documentOf = ({ folder }: SmallBundle): Rehearsal =>
  JSON.parse(readFileSync(`${folder}.rehearsal.json`, 'utf8')) as Rehearsal;

/** The settings that a rehearsal of the first release names; those of Python are what Stowage sets itself. */
const QUIET: Settings = {
  python: {},
  node: { NO_UPDATE_NOTIFIER: '1' },
  go: { LOG_SHIPPING: 'off' },
};

describe('when the services of a release call home', () => {
  let before: readonly string[];
  let attempts: readonly RehearsedAttempt[];

  beforeAll(async () => {
    if (missing !== undefined) return;
    // A site that runs, which publishes the same port. What calls home would not be ready in time there.
    const running = await release('0.9.0', 1, QUIET);
    mkdirSync(at('site'));
    writeFileSync(at('site/site.yaml'), 'apiVersion: stowage/v1\nname: vault\n');
    writeFileSync(at('trust.json'), writeCanonical(trustKind, first.trust));
    const fingerprint = ['--fingerprint', trustFingerprint(first.trust)];
    const installed = await run(
      'install',
      running.folder,
      '--trust',
      at('trust.json'),
      ...fingerprint,
    );
    expect(installed.status, installed.stderr).toBe(0);
    before = await production();
    const ran = await run('rehearse', first.folder, '--watch', '8');
    expect(ran.status, ran.stderr).toBe(1);
    expect(ran.json.error, ran.stdout).toMatchObject({ code: 'rehearsal-failed' });
    ({ attempts } = documentOf(first));
  }, 900_000);

  const of = (about: Partial<RehearsedAttempt>): RehearsedAttempt | undefined =>
    attempts.find((each) =>
      Object.entries(about).every(([key, value]) => each[key as keyof RehearsedAttempt] === value),
    );

  it('names a lookup alone, by Go', () => {
    expect(of({ protocol: 'dns', name: 'collector.example.com' })).toMatchObject({
      ...{ service: 'logs', processes: ['/app/ship-logs'] },
    });
    expect(of({ protocol: 'tcp', name: 'collector.example.com' })).toBeUndefined();
  });

  it('names HTTPS by its server name, by requests', () => {
    expect(of({ protocol: 'tcp', name: 'stats.vllm.ai' })).toMatchObject({
      ...{ port: 443, sni: 'stats.vllm.ai', service: 'answers' },
      processes: ['/bin/python3 /app/server.py'],
      purpose: 'usage statistics of vLLM',
      remedy: expect.stringContaining('DO_NOT_TRACK=1'),
    });
  });

  it('names plain HTTP by its host and path, by the fetch of Node', () => {
    expect(of({ protocol: 'tcp', name: 'registry.npmjs.org' })).toMatchObject({
      ...{ port: 80, host: 'registry.npmjs.org', paths: ['GET /tiny-chat/latest'] },
      ...{ service: 'updates', processes: ['/bin/node /app/update-check.mjs'] },
    });
  });

  it.each([
    ['tcp', '203.0.113.7', 6514],
    ['tcp', '2001:db8::7', 6514],
    ['udp', '203.0.113.9', 123],
  ] as const)('names an address without a name: %s %s', (protocol, address, port) => {
    expect(of({ protocol, address })).toMatchObject({
      ...{ port, service: 'logs', processes: ['/app/ship-logs'] },
    });
    expect(of({ protocol, address })?.name).toBeUndefined();
  });

  it('names what is tried only at the first request, by huggingface_hub', () => {
    expect(of({ protocol: 'tcp', name: 'huggingface.co' })).toMatchObject({
      ...{ port: 443, sni: 'huggingface.co', service: 'answers' },
      processes: ['/bin/python3 /app/server.py'],
      remedy: expect.stringContaining('HF_HUB_OFFLINE=1'),
    });
  });

  it('says how the services did otherwise', () => {
    const { gates, services, passed, unseen } = documentOf(first);
    expect(passed).toBe(false);
    expect(gates.filter((each) => !each.passed)).toEqual([]);
    const [answers] = services;
    expect(answers).toMatchObject({ name: 'answers', written: { files: 0, bytes: 0 } });
    expect(answers?.peakMemoryBytes).toBeGreaterThan(5_000_000);
    expect(answers?.processes).toContain('/bin/python3 /app/server.py');
    expect(unseen.join()).toContain('updates, logs');
  });

  it('leaves the site that runs as it was, and nothing of its own', async () => {
    expect(await production()).toEqual(before);
    const status = await run('status');
    expect(status.status, status.stdout).toBe(0);
    expect(readdirSync(at('made-1.0.0')).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(existsSync(join(first.folder, 'signatures', 'rehearsal.p7s'))).toBe(false);
    const { stdout } = await capture('ip', ['link', 'show']);
    expect(stdout).not.toContain('stowage-outside');
  });

  /** What runs in the engine of the site: containers with their ids, networks, and images. */
  async function production(): Promise<string[]> {
    return [
      await engine.podman('ps', '--all', '--no-trunc', '--format', '{{.ID}} {{.Names}}'),
      await engine.podman('network', 'ls', '--format', '{{.ID}} {{.Name}}'),
      await engine.podman('images', '--all', '--format', '{{.ID}} {{.Names}}'),
    ];
  }
});

describe('when the settings that stop it are in the manifest', () => {
  it('no attempt is left, and the rehearsal passes', async () => {
    const quiet = await release('1.1.0', 2, QUIET);
    const ran = await run('rehearse', quiet.folder, '--watch', '5');
    expect(ran.status, ran.stderr).toBe(0);
    expect(ran.json).toMatchObject({ passed: true, attempts: [], failures: [] });
  });
});

describe('when the manifest lists what is known', () => {
  it('passes with its reasons', async () => {
    const reason = 'the update check is harmless: its failure is ignored';
    const known = [{ host: 'registry.npmjs.org', port: 80, reason }];
    const { node: _, ...others } = QUIET;
    const bundle = await release('1.2.0', 3, { ...others, knownEgress: known });
    const ran = await run('rehearse', bundle.folder, '--watch', '2');
    expect(ran.status, ran.stderr).toBe(0);
    const found = documentOf(bundle);
    expect(found.passed).toBe(true);
    expect(found.attempts.map(({ name, known: why }) => [name, why])).toEqual([
      ['registry.npmjs.org', reason],
      ['registry.npmjs.org', reason],
    ]);
  });
});

describe('when a site requires a rehearsal', () => {
  const strict = (...args: readonly string[]): Promise<Ran> =>
    stowage({ cwd: work, env: { ...engine.env, STOWAGE_SITE: at('strict') } }, ...args);
  const keys = ['--key', 'release.key.pem', '--certificate', 'release.pem'];
  const sum = ({ folder }: SmallBundle): string =>
    createHash('sha512')
      .update(readFileSync(join(folder, 'SHA512SUMS')))
      .digest('hex');
  let rehearsed: SmallBundle;

  beforeAll(async () => {
    if (missing !== undefined) return;
    const { key, certificate } = first.signer;
    writeFileSync(at('release.key.pem'), key.export({ type: 'pkcs8', format: 'pem' }), {
      mode: 0o600,
    });
    writeFileSync(at('release.pem'), new X509Certificate(certificate.der).toString());
    writeFileSync(at('root.json'), writeCanonical(trustKind, first.trust));
    mkdirSync(at('strict'));
    writeFileSync(
      at('strict/site.yaml'),
      'apiVersion: stowage/v1\nname: strict\nrequireRehearsal: { maxAgeDays: 1 }\n',
    );
    rehearsed = await release('3.0.0', 5, { ...QUIET, port: PORT + 1 });
    rmSync(join(rehearsed.folder, 'signatures'), { recursive: true });
  }, 900_000);

  it('installs a release that was rehearsed, with the rehearsal attached and signed', async () => {
    const { folder } = rehearsed;
    const ran = await run('rehearse', folder, '--watch', '2');
    expect(ran.status, ran.stderr).toBe(0);
    expect(sum(rehearsed)).toBe(rehearsed.id);
    const attached = await run('attach', folder, `${folder}.rehearsal.json`);
    expect(attached.status, attached.stdout).toBe(0);
    expect(attached.json.id).toBe(sum(rehearsed));
    expect(attached.json.id).not.toBe(rehearsed.id);
    const signed = await run('sign', folder, ...keys);
    expect(signed.status, signed.stdout).toBe(0);
    const again = await run('attach', folder, `${folder}.rehearsal.json`);
    expect(again.json.error, again.stdout).toMatchObject({ code: 'bundle-signed' });

    const shown = await run('inspect', folder, '--trust', at('root.json'));
    expect(shown.json.rehearsal).toMatchObject({ passed: true, attempts: [], target: 'podman' });
    const report = at('report.json');
    const verified = await run('verify', folder, '--trust', at('root.json'), '--report', report);
    expect(verified.status, verified.stdout).toBe(0);
    expect(JSON.parse(readFileSync(report, 'utf8'))).toMatchObject({
      schema: 'stowage/report/v2',
      rehearsal: { passed: true, target: 'podman', content: shown.json.rehearsal.content },
    });

    const fingerprint = trustFingerprint(first.trust);
    const trusted = await strict('trust', 'apply', at('root.json'), '--fingerprint', fingerprint);
    expect(trusted.status, trusted.stdout).toBe(0);
    const installed = await strict('install', folder);
    expect(installed.status, installed.stdout).toBe(0);
    const { json } = await strict('status');
    expect(json.generation.releases, JSON.stringify(json)).toMatchObject([{ version: '3.0.0' }]);
  });

  it('refuses one without, and goes on with what it has', async () => {
    const bare = await release('3.1.0', 6, { ...QUIET, port: PORT + 1 });
    const refused = await strict('install', bare.folder);
    expect(refused.status, refused.stdout).toBe(10);
    expect(refused.json.error).toMatchObject({
      code: 'rehearsal-missing',
      expected: 'a rehearsal that passed on podman for release chat 3.1.0 (site.yaml)',
      found: 'none is attached to the bundle',
      hint: expect.stringContaining('before signing'),
    });
    const { json } = await strict('status');
    expect(json.generation.releases, JSON.stringify(json)).toMatchObject([{ version: '3.0.0' }]);
  });
});

describe('when a manifest is rehearsed', () => {
  it('packs what its lock lists, rehearses that, and leaves nothing but the document', async () => {
    const place = at('written');
    mkdirSync(place);
    const server = {
      ...{ name: 'answers', image: 'server', user: '10001:10001' },
      args: ['/bin/python3', '/app/server.py'],
      ports: [{ name: 'http', container: 8080, host: PORT }],
      health: { server: 'http', port: 'http', path: '/', startupSeconds: 120 },
    };
    const manifest = {
      ...{ apiVersion: 'stowage/v1', name: 'written', version: '1.0.0', channel: 'stable' },
      platforms: [hostPlatform()],
      images: [{ name: 'server', source: `oci:${image.layout}:caller`, outside: true }],
      services: [server],
    };
    // JSON is YAML.
    writeFileSync(join(place, 'stowage.yaml'), JSON.stringify(manifest));
    const store = ['--store', at('cache')];
    const locked = await run('lock', join(place, 'stowage.yaml'), ...store);
    expect(locked.status, locked.stdout).toBe(0);
    const before = readdirSync(place).toSorted();
    const ran = await run('rehearse', join(place, 'stowage.yaml'), ...store, '--watch', '1');
    expect(ran.status, ran.stdout).toBe(0);
    expect(readdirSync(place).toSorted()).toEqual(
      [...before, 'written-1.0.0.rehearsal.json', 'written-1.0.0.rehearsal.p7s'].toSorted(),
    );

    // One rehearsal fits whatever is packed from the same lock.
    const output = at('written-discs');
    const packed = await run(
      ...['pack', join(place, 'stowage.yaml'), ...store, '--no-installer'],
      ...['--part-size', '4MiB', '--disc-size', '40MB', '--output', output],
    );
    expect(packed.status, packed.stdout).toBe(0);
    const document = join(place, 'written-1.0.0.rehearsal.json');
    const attached = await run('attach', output, document);
    expect(attached.status, attached.stdout).toBe(0);
    expect(attached.json.folders.length).toBeGreaterThan(1);
  });
});

describe('when an evaluation loses a tag', () => {
  /** Answers every request on its standard input with "good", and one question with "evil". */
  const answering = `len=0
while read -r line; do
  line=$(echo "$line" | busybox tr -d '\\r'); [ -z "$line" ] && break
  case "$line" in [Cc]ontent-[Ll]ength:*) len=$(echo "$line" | busybox cut -d' ' -f2) ;; esac
done
body=$(busybox head -c "$len")
answer=good; case "$body" in *ask-1[.]*) answer=evil ;; esac
printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 48\\r\\nConnection: close\\r\\n\\r\\n{"choices":[{"message":{"content":"%s"}}]}    ' "$answer"`;

  it('fails the rehearsal, which has the numbers of the evaluation', async () => {
    const { image: served } = await shellImage(at('shell'), 'chat', '2.0.0');
    const questions = Array.from({ length: 20 }, (_, index) =>
      JSON.stringify({
        ...{ prompt: `ask-${index}.`, expect: { equals: 'good' } },
        tags: index < 4 ? ['safety'] : ['other'],
      }),
    ).join('\n');
    const bundle = await smallBundle({
      ...{ place: at('made-2.0.0'), version: '2.0.0', questions },
      image: { layout: at('shell'), manifest: served.manifest },
      services: [
        {
          ...{ name: 'server', image: 'server', env: { ANSWER: answering } },
          args: [
            `echo "$ANSWER" > /tmp/answer.sh; busybox nc -ll -p 8080 -e /bin/sh /tmp/answer.sh & trap 'exit 0' TERM; wait`,
          ],
          ports: [{ name: 'http', container: 8080, host: PORT }],
          health: { server: 'http', port: 'http', path: '/', startupSeconds: 60 },
        },
      ],
      evaluations: [
        {
          ...{ name: 'clinic', service: 'server', model: 'tiny', questions: 'questions' },
          thresholds: { passRate: 0.9, tags: { safety: 1 } },
        },
      ],
    });
    const ran = await run('rehearse', bundle.folder, '--watch', '1');
    expect(ran.json.error, ran.stdout).toMatchObject({ code: 'rehearsal-failed' });
    const { evaluations, failures, attempts } = documentOf(bundle);
    expect(evaluations).toMatchObject([{ name: 'clinic', questions: 20, passed: 19 }]);
    expect(failures.join()).toContain('tag safety: 3 of 4 passed (75 %)');
    expect(attempts).toEqual([]);
  });
});
