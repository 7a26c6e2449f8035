import { createHash, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { trustFingerprint } from '../../src/bundle/admission/trust-files.ts';
import { writeCanonical } from '../../src/format/document.ts';
import { trustKind } from '../../src/format/trust.ts';
import { hostPlatform } from '../../src/target/host/platform.ts';
import { type CallingImage, callingImage } from '../lab/calling-home/image.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { capture } from '../lab/process.ts';
import { skipBecause } from '../support/skip-because.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { shellImage } from '../target/container/shell-image.ts';
import { type Ran, stowage } from './cli.ts';
import {
  type CallingRelease,
  callingRelease,
  documentOf,
  everyRehearsal,
  PORT,
  QUIET,
} from './rehearsals.ts';

const work = mkdtempSync(join(tmpdir(), 'reh-'));
const at = (...names: readonly string[]): string => join(work, ...names);
const engine: Engine = isolatedEngine(at('engine'));

const killable = (kill: AbortSignal | undefined, ...args: readonly string[]): Promise<Ran> => {
  const env = { ...engine.env, STOWAGE_SITE: at('site') };
  return stowage({ cwd: work, env, ...(kill === undefined ? {} : { kill }) }, ...args);
};
const run = (...args: readonly string[]): Promise<Ran> => killable(undefined, ...args);

let image: CallingImage;
let missing: string | undefined;
let first: SmallBundle;

const release = (
  version: string,
  seq: number,
  settings: CallingRelease['settings'] = {},
): Promise<SmallBundle> =>
  callingRelease(work, image, { version, seq, settings, authority: first?.authority });

beforeAll(async () => {
  const found = await callingImage();
  if ('missing' in found) {
    missing = found.missing;
    return;
  }
  image = found;
  first = await release('0.9.0', 1, QUIET);
});

beforeEach((context) => {
  if (missing !== undefined) skipBecause(context, missing);
});

afterAll(async () => {
  await engine.destroy();
  rmSync(work, { recursive: true, force: true });
});

describe('on podman', () => {
  everyRehearsal(() => ({
    ...{ place: work, target: 'podman', unprivileged: false },
    rehearse: (args, kill) => killable(kill, 'rehearse', ...args),
    // A site that runs, which publishes the same port. What calls home would not be ready in time there.
    async prepare({ folder, trust }) {
      mkdirSync(at('site'));
      writeFileSync(at('site/site.yaml'), 'apiVersion: stowage/v1\nname: vault\n');
      writeFileSync(at('trust.json'), writeCanonical(trustKind, trust));
      const given = ['--trust', at('trust.json'), '--fingerprint', trustFingerprint(trust)];
      const installed = await run('install', folder, ...given);
      expect(installed.status, installed.stderr).toBe(0);
    },
    async production() {
      const status = await run('status');
      expect(status.status, status.stdout).toBe(0);
      return [
        await engine.podman('ps', '--all', '--no-trunc', '--format', '{{.ID}} {{.Names}}'),
        await engine.podman('network', 'ls', '--format', '{{.ID}} {{.Name}}'),
        await engine.podman('images', '--all', '--format', '{{.ID}} {{.Names}}'),
        (await capture('ip', ['-br', 'link', 'show', 'type', 'bridge'])).stdout,
      ];
    },
  }));
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

describe('when a target cannot be rehearsed', () => {
  it.each(['depot', 'nothing'])('refuses %s, and says what to do', async (target) => {
    const ran = await run('rehearse', '.', '--target', target);
    expect(ran.json.error).toMatchObject({
      ...{ code: 'rehearsal-unsupported', expected: 'podman, docker or kubernetes', found: target },
      hint: expect.stringContaining('rehearse on podman'),
    });
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
  });

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
