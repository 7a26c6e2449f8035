import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trustFingerprint } from '../../src/bundle/admission/trust-files.ts';
import { writeCanonical } from '../../src/format/document.ts';
import { trustKind } from '../../src/format/trust.ts';
import { type Engine, isolatedEngine } from '../lab/engine.ts';
import { until } from '../lab/process.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';
import { noticeAuthority, promotionOf, recallOf, smallNotice } from '../support/small-notice.ts';
import { shellImage } from '../target/container/shell-image.ts';
import { engineSite } from './engine-site.ts';

// A site on podman that follows the channel "stable": what it may install, and what it must not run any more, comes by notice.

const work = mkdtempSync(join(tmpdir(), 'stowage-notice-'));
const at = (...names: readonly string[]): string => join(work, ...names);
const PORT = 18_317;
let engine: Engine;
let one: SmallBundle;
let two: SmallBundle;

async function release(version: string, seq: number, channel: string): Promise<SmallBundle> {
  const { image } = await shellImage(at(`image-${version}`), 'chat', version);
  return smallBundle({
    ...{ place: at(`made-${version}`), version, seq, channel },
    ...(one === undefined ? {} : { authority: one.authority }),
    image: { layout: at(`image-${version}`), manifest: image.manifest },
    services: [
      {
        name: 'server',
        image: 'server',
        args: [
          `echo ${version} > /tmp/index.html; busybox httpd -p 8080 -h /tmp; trap 'exit 0' TERM; sleep 1000 & wait`,
        ],
        ports: [{ name: 'http', container: 8080, host: PORT }],
        health: { server: 'http', port: 'http', path: '/', startupSeconds: 20 },
      },
    ],
  });
}

beforeAll(async () => {
  engine = isolatedEngine(at('engine'));
  one = await release('1.0.0', 1, 'stable');
  two = await release('1.1.0', 2, 'candidate');
  writeFileSync(at('trust.json'), writeCanonical(trustKind, one.trust));
  mkdirSync(at('site'));
  writeFileSync(at('site/site.yaml'), 'apiVersion: stowage/v1\nname: vault\nchannel: stable\n');
});

afterAll(async () => {
  await engine?.destroy();
  rmSync(work, { recursive: true, force: true });
});

const { run, passes } = engineSite(work, () => engine);

const answers = (version: string): Promise<true | undefined> =>
  until(`an answer of ${version}`, 20, async () => {
    const response = await fetch(`http://127.0.0.1:${PORT}/`).catch(() => undefined);
    return (await response?.text())?.trim() === version ? true : undefined;
  });

const notice = (serial: number, document: ReturnType<typeof recallOf>): Promise<unknown> =>
  smallNotice({
    ...{ authority: noticeAuthority(), folder: at(`notice-${serial}`), serial },
    ...{ documents: [document], by: [one.signer], sites: ['vault'] },
  });

describe('when a site on podman gets a promotion and a recall by notice', () => {
  it('installs the promoted release, and not before', async () => {
    const fingerprint = ['--fingerprint', trustFingerprint(one.trust)];
    await passes('install', one.folder, '--trust', at('trust.json'), ...fingerprint);
    await answers('1.0.0');
    expect((await run('install', two.folder)).stderr).toContain('release-foreign');
    await notice(1, promotionOf({ bundle: two.id }));
    await passes('import', at('notice-1'));
    await answers('1.0.0');
    await passes('install', two.folder);
    await answers('1.1.0');
  });

  it('reports the recall, keeps the service running, and goes back to what is not recalled', async () => {
    await notice(2, recallOf({ versions: '1.1.0', strategy: { backTo: '1.0.0' } }));
    const { json: taken } = await passes('import', at('notice-2'));
    expect(taken.recalled).toMatchObject([{ name: 'chat', version: '1.1.0' }]);
    await answers('1.1.0');
    expect((await run('status', '--check')).status).toBe(6);
    await passes('rollback');
    await answers('1.0.0');
    await passes('status', '--check');
    expect((await run('install', 'chat@1.1.0')).stderr).toContain('release-recalled');
    const { json } = await passes('receipt', 'show');
    expect(json.receipt.notices).toMatchObject([{ issuer: 'works', serial: 2 }]);
  });
});
