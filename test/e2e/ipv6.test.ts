import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trustFingerprint } from '../../src/bundle/admission/trust-files.ts';
import { writeCanonical } from '../../src/format/document.ts';
import { trustKind } from '../../src/format/trust.ts';
import { type AirGap, airGap } from '../lab/airgap.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { shellImage } from '../target/container/shell-image.ts';
import { type Ran, stowage } from './cli.ts';

// A service of a real podman whose site has an IPv6 address, in a namespace that has one.

const ADDRESS = 'fd11::2';
const PORT = 18_480;
const SERVE =
  "echo hello > /tmp/index.html; busybox httpd -p 8080 -h /tmp; trap 'exit 0' TERM; sleep 1000 & wait";
const work = mkdtempSync(join(tmpdir(), 'stowage-ipv6-'));
const at = (...names: readonly string[]): string => join(work, ...names);
let gap: AirGap;
let engine: Engine;
let made: SmallBundle;

beforeAll(async () => {
  gap = await airGap({ ownRun: true });
  await gap.run('ip', ['-6', 'address', 'add', `${ADDRESS}/128`, 'dev', 'lo']);
  engine = isolatedEngine(at('e'), { through: gap.enter });
  const { image } = await shellImage(at('image'), 'chat', 'one');
  made = await smallBundle({
    place: at('made'),
    image: { layout: at('image'), manifest: image.manifest },
    services: [
      {
        ...{ name: 'server', image: 'server', args: [SERVE] },
        ports: [{ name: 'http', container: 8080, host: PORT }],
        health: { server: 'http', port: 'http', path: '/', startupSeconds: 20 },
      },
    ],
  });
  writeFileSync(at('trust.json'), writeCanonical(trustKind, made.trust));
});

afterAll(async () => {
  await engine?.destroy();
  await gap?.destroy();
  rmSync(work, { recursive: true, force: true });
});

const env = (): NodeJS.ProcessEnv => ({ ...engine.env, STOWAGE_SITE: at('site') });
const run = (...args: readonly string[]): Promise<Ran> =>
  stowage({ cwd: work, env: env(), through: gap.enter }, ...args);
const trust = (): string[] => [
  ...['--trust', at('trust.json'), '--fingerprint', trustFingerprint(made.trust)],
];

function addressIs(address: string): void {
  mkdirSync(at('site'), { recursive: true });
  writeFileSync(
    at('site', 'site.yaml'),
    `apiVersion: stowage/v1\nname: six\naddress: "${address}"\n`,
  );
}

async function answer(host: string): Promise<string> {
  const url = `http://${host}:${PORT}/`;
  return (await gap.run('curl', ['--globoff', '--noproxy', '*', '-sS', '-m', '5', url])).stdout;
}

describe('when the address of a site is of IPv6', () => {
  it.each<[string, string, string]>([
    ['podman as root cannot publish there', '::1', 'podman as root cannot publish ports on ::1'],
    ['no interface has it', 'fd11::9', 'no interface of this host has fd11::9'],
  ])('is refused, and nothing starts, if %s', async (_, address, found) => {
    addressIs(address);
    const { json, status } = await run('install', made.folder, ...trust());
    expect([status, json.error.code]).toEqual([12, 'host-unfit']);
    expect(JSON.stringify(json.error)).toContain(found);
    expect(await engine.podman('ps', '--all', '--quiet')).toBe('');
  });

  it('says that IPv6 is off where it is, and starts nothing', async () => {
    addressIs(ADDRESS);
    const set = (value: 0 | 1) =>
      gap.run('sysctl', ['--quiet', '--write', `net.ipv6.conf.lo.disable_ipv6=${value}`]);
    await set(1);
    try {
      const { json, status } = await run('install', made.folder, ...trust());
      expect([status, json.error.code]).toEqual([12, 'host-unfit']);
      expect(JSON.stringify(json.error)).toContain('IPv6 is off on this host');
      expect(await engine.podman('ps', '--all', '--quiet')).toBe('');
    } finally {
      await set(0);
      await gap.run('ip', ['-6', 'address', 'add', `${ADDRESS}/128`, 'dev', 'lo']);
    }
  });

  it('installs, answers there, and has not drifted', async () => {
    const installed = await run('install', made.folder, ...trust());
    expect([installed.status, installed.json.error]).toEqual([0, undefined]);
    expect(await answer(`[${ADDRESS}]`)).toBe('hello\n');
    const { json } = await run('status');
    expect(json.services).toMatchObject([
      {
        service: { addresses: [{ url: `http://[${ADDRESS}]:${PORT}` }] },
        ...{ state: { state: 'running' }, drift: [], readiness: { ready: true } },
      },
    ]);
    expect((await run('install', 'chat')).json).toMatchObject({ changed: false });
    expect((await run('status', '--check')).status).toBe(0);
  });

  it('reports and repairs a port on another address', async () => {
    const unit = (await engine.podman('ps', '--format', '{{.Names}}')).trim();
    const [found] = JSON.parse(await engine.podman('container', 'inspect', unit));
    const [, ...words] = found.Config.CreateCommand as string[];
    const moved = words.map((each) => each.replace(`[${ADDRESS}]:`, '127.0.0.1:'));
    await engine.podman(...moved);
    expect((await run('status')).json.services[0]).toMatchObject({
      readiness: { ready: false },
      drift: [
        {
          ...{ field: 'ports', expected: `[${ADDRESS}]:${PORT}:8080` },
          found: `127.0.0.1:${PORT}:8080`,
        },
      ],
    });
    expect((await run('install', 'chat')).json).toMatchObject({ repaired: ['chat server'] });
    expect(await answer(`[${ADDRESS}]`)).toBe('hello\n');
  });

  it('moves to an IPv4 address and back', async () => {
    for (const [address, host] of [
      ['127.0.0.1', '127.0.0.1'],
      [ADDRESS, `[${ADDRESS}]`],
    ] as const) {
      addressIs(address);
      expect((await run('install', 'chat')).json).toMatchObject({ changed: true });
      expect(await answer(host)).toBe('hello\n');
      const format = '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}';
      const unit = (await engine.podman('ps', '--format', '{{.Names}}')).trim();
      const joined = await engine.podman('container', 'inspect', '--format', format, unit);
      expect(joined.trim().endsWith('--clients-ipv6')).toBe(address === ADDRESS);
    }
  });
});
