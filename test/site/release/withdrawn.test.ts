import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { signBundle } from '../../../src/bundle/signing/sign.ts';
import type { SiteRecall } from '../../../src/format/ledger.ts';
import type { DeployedRelease, Generation } from '../../../src/format/plan.ts';
import type { Trust } from '../../../src/format/trust.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import { install, installImported, rollback } from '../../../src/site/applying/change-release.ts';
import { grantOverride } from '../../../src/site/applying/grant-override.ts';
import { operateServices } from '../../../src/site/applying/operate-services.ts';
import { importMedia } from '../../../src/site/importing/import.ts';
import { keepTrust } from '../../../src/site/ledger/site-ledger.ts';
import { releaseFolder } from '../../../src/site/release/release.ts';
import { type WithdrawnRelease, withdrawnReleases } from '../../../src/site/release/withdrawn.ts';
import { type SiteContext, SiteFolder } from '../../../src/site/site-folder.ts';
import { siteStatus, withdrawnNow } from '../../../src/site/status.ts';
import { trustFromRoot } from '../../../src/trust/trust-root.ts';
import { context, type ListeningContext, packedAt } from '../../support/context.ts';
import { release as deployed } from '../../support/deployed.ts';
import { expectCode } from '../../support/error.ts';
import { type FakeTarget, failed, fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { type Authority, type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { tree } from '../../support/tree.ts';
import { type Holder, makeRoot, makeSigner } from '../../trust/authority.ts';

const recall = (versions: string, release = 'chat'): SiteRecall => ({
  release,
  versions,
  reason: 'it leaks',
});

function release(version: string, name = 'chat'): DeployedRelease {
  return deployed({ name, version, services: [] });
}

function generation(number: number, ...releases: readonly DeployedRelease[]): Generation {
  return { schema: 'stowage/generation/v2', number, appliedAt: '2026-11-21T10:00:00Z', releases };
}

describe('when a release that runs was recalled', () => {
  const running = generation(3, release('1.2.0'));
  const recalledIn = (
    kept: readonly Generation[],
    recalls: readonly SiteRecall[],
  ): readonly WithdrawnRelease[] => withdrawnReleases(running, kept, recalls, new Map()).recalled;

  it('names the newest generation to roll back to', () => {
    const kept = [generation(1, release('1.0.0')), generation(2, release('1.1.0')), running];
    const [found] = recalledIn(kept, [recall('1.2.x')]);
    expect(found).toMatchObject({ name: 'chat', version: '1.2.0', reason: 'it leaks' });
    expect(found?.remedy).toBe(
      'run "stowage rollback --to 2" (chat 1.1.0), or install a newer version',
    );
  });

  it.each([
    ['forward', 'install a newer version of chat, or run "stowage uninstall chat"'],
    [{ backTo: '1.1.0' }, 'run "stowage rollback --to 2" (chat 1.1.0), or install a newer version'],
    [{ backTo: '1.1.1' }, 'install a newer version of chat, or run "stowage uninstall chat"'],
  ] as const)('names no generation that a strategy %j rules out', (strategy, remedy) => {
    const kept = [1, 2].map((seq) => generation(seq, { ...release(`1.${seq - 1}.0`), seq }));
    const bad = generation(3, { ...release('1.2.0'), seq: 3 });
    const recalls = [{ ...recall('1.2.x'), strategy }];
    const [found] = withdrawnReleases(bad, [...kept, bad], recalls, new Map()).recalled;
    expect(found?.remedy).toBe(remedy);
  });

  it('does not name a generation with any recalled release in it', () => {
    const kept = [
      generation(1, release('1.0.0')),
      generation(2, release('1.1.0'), release('1.0.0', 'other')),
    ];
    const [found] = recalledIn(kept, [recall('1.2.x'), recall('*', 'other')]);
    expect(found?.remedy).toContain('--to 1" ');
  });

  it('names no generation that does not run the release', () => {
    const kept = [generation(1, release('1.0.0')), generation(2, release('3.0.0', 'other'))];
    const [found] = recalledIn(kept, [recall('1.2.x')]);
    expect(found?.remedy).toContain('--to 1" ');
  });

  it('names the version of this release, whatever else runs beside it', () => {
    const kept = [generation(1, release('3.0.0', 'other'), release('1.0.0'))];
    const [found] = recalledIn(kept, [recall('1.2.x')]);
    expect(found?.remedy).toContain('--to 1" (chat 1.0.0)');
  });

  it('asks for a newer version where nothing good is kept', () => {
    const [found] = recalledIn([running], [recall('*')]);
    expect(found?.remedy).toBe('install a newer version of chat, or run "stowage uninstall chat"');
  });

  it('names no generation with a release whose signer is revoked', () => {
    const bad = deployed({ name: 'chat', version: '1.1.0', services: [], bundle: 'b'.repeat(128) });
    const kept = [generation(1, release('1.0.0')), generation(2, bad), running];
    const untrusted = new Map([[bad.bundle, 'its signer is revoked']]);
    const found = withdrawnReleases(running, kept, [recall('1.2.x')], untrusted);
    expect(found.recalled[0]?.remedy).toContain('--to 1" ');
    expect([...kept.flatMap((each) => each.releases)].map(found.mark)).toEqual([
      undefined,
      'signer revoked',
      'recalled',
    ]);
  });
});

const scratch = scratchFolder(true);
const root = makeRoot();
const ann = makeSigner(root, { name: 'Ann' });
const ben = makeSigner(root, { name: 'Ben' });
const trust = trustFromRoot(root.certificate, packedAt);
const by = (signer: Holder): Authority => ({ root: root.certificate, signer, trust });
/** Version 1 by Ann, version 2 by Ben, version 3 by Ann and Ben. */
const bundles: SmallBundle[] = [];

beforeAll(async () => {
  for (const [version, signer, seq] of [
    ['1.0.0', ann, 1],
    ['2.0.0', ben, 2],
    ['3.0.0', ann, 3],
  ] as const)
    bundles.push(
      await smallBundle({ place: scratch.fresh(), authority: by(signer), version, seq }),
    );
  await signBundle(made(3).folder, 'ben', ben, packedAt);
});

function made(version: number): SmallBundle {
  const found = bundles[version - 1];
  if (found === undefined) throw new Error(`no bundle ${version}`);
  return found;
}

type Opened = SiteContext & ListeningContext & { readonly target: FakeTarget };

/** A site that imported every bundle, and installed some. */
async function siteWith(...versions: readonly number[]): Promise<Opened> {
  const site = new SiteFolder(scratch.fresh('site'));
  const opened = { ...context(), site, target: fakeTarget() };
  for (const { folder } of bundles) await take(folder, opened);
  for (const version of versions) await installImported(`chat@${version}.0.0`, opened);
  return opened;
}

const take = (folder: string, opened: Opened) =>
  withSite(opened, (ledger) => importMedia([folder], ledger, { ...opened, trust }));

/** Pins the next trust document. */
async function revoke(opened: Opened, ...holders: readonly Holder[]): Promise<void> {
  const revoked = holders.map(({ certificate: { serial } }) => ({
    ...{ issuer: root.certificate.fingerprint, serial, reason: 'laptop stolen' },
  }));
  await pin(opened, { revoked });
}

async function pin(opened: Opened, changes: Partial<Trust>): Promise<void> {
  const next = { ...trust, version: 2, ...changes };
  await withSite(opened, (ledger) => keepTrust(opened.site, ledger, next, opened.now()));
}

describe('when the trust document revokes the signer of an imported release', () => {
  it('is not installed, which changes nothing, and the error names the signer', async () => {
    const opened = await siteWith(2);
    await revoke(opened, ann);
    const before = tree(opened.site.root);
    const error = await expectCode(() => installImported('chat@1.0.0', opened), 'signer-revoked');
    expect(error.found).toMatch(
      /^its signer is revoked: O=Example Agency, CN=Ann, serial \w+ of .*, revoked in trust document 2 of .*: laptop stolen$/,
    );
    expect(error.exitStatus).toBe(10);
    expect({ ...tree(opened.site.root), lock: '' }).toEqual({ ...before, lock: '' });
  });

  it('is installed if enough other signers are not revoked', async () => {
    const opened = await siteWith();
    await revoke(opened, ann);
    expect(await installImported('chat@3.0.0', opened)).toHaveProperty('receipt');
  });

  it('is not installed if too few others are left', async () => {
    const opened = await siteWith();
    const { release: role, ...roles } = trust.roles;
    const revoked = [
      { issuer: root.certificate.fingerprint, serial: ann.certificate.serial, reason: 'stolen' },
    ];
    await pin(opened, { revoked, roles: { ...roles, release: { ...role, threshold: 2 } } });
    await expectCode(() => installImported('chat@3.0.0', opened), 'signer-revoked');
    // What has no revoked signer stays as it was admitted, also under a higher threshold.
    expect(await installImported('chat@2.0.0', opened)).toHaveProperty('receipt');
  });

  it('is not the target of a rollback, and nobody can override that', async () => {
    const opened = await siteWith(1, 2);
    await revoke(opened, ann);
    await expectCode(() => rollback(1, opened), 'signer-revoked');
    const override = { rule: 'signer', by: 'A', reason: 'B', until: '2026-11-22T00:00:00Z' };
    await expectCode(() => grantOverride(override, opened), 'usage-invalid');
    const { mark, untrusted, generation: current } = await siteStatus(opened);
    expect(current.number).toBe(2);
    expect(untrusted).toEqual([]);
    const [first] = (await siteStatus(opened)).kept;
    expect(first?.releases.map(mark)).toEqual(['signer revoked']);
  });

  it('goes on running, and can be repaired, restarted and restored by a failed upgrade', async () => {
    const opened = await siteWith(1);
    await revoke(opened, ann);
    const { untrusted } = await siteStatus(opened);
    expect(untrusted).toEqual([
      {
        ...{ name: 'chat', version: '1.0.0' },
        reason: expect.stringContaining('laptop stolen'),
        remedy: 'install a newer version of chat, or run "stowage uninstall chat"',
      },
    ]);
    expect(await withdrawnNow(opened.site, opened.now())).toMatchObject({ untrusted });
    expect(await installImported('chat@1.0.0', opened)).not.toHaveProperty('receipt');
    opened.target.engine.stopByHand('server');
    const { plan } = await installImported('chat@1.0.0', opened);
    expect(plan.steps.map((each) => each.do.action)).toContain('start-service');
    await operateServices('restart', { release: 'chat', services: [] }, opened);
    expect(opened.events).toContainEqual(
      expect.objectContaining({ type: 'warning', message: expect.stringContaining('CN=Ann') }),
    );
    let broken = true;
    opened.target.engine.hook = ({ method }, moment) => {
      if (method !== 'startService' || moment !== 'before' || !broken) return;
      broken = false;
      throw failed('the new server does not start');
    };
    await expectCode(() => installImported('chat@2.0.0', opened), 'rolled-back');
    expect(await siteStatus(opened)).toMatchObject({
      generation: { number: 1 },
      services: [{ state: { state: 'running' } }],
    });
  });

  it('is installed after it was imported again with the signature of another signer', async () => {
    const opened = await siteWith();
    const copy = scratch.copy(made(3).folder);
    const signature = join(releaseFolder(opened.site, made(3).id), 'signatures/ben.p7s');
    const bytes = readFileSync(signature);
    rmSync(signature);
    await revoke(opened, ann);
    await expectCode(() => installImported('chat@3.0.0', opened), 'signer-revoked');
    await take(copy, opened);
    expect(readFileSync(signature)).toEqual(bytes);
    expect(await installImported('chat@3.0.0', opened)).toHaveProperty('receipt');
  });

  it.each<[string, (folder: string) => void]>([
    ['are missing', (folder) => rmSync(join(folder, 'signatures'), { recursive: true })],
    ['were changed', (folder) => writeFileSync(join(folder, 'signatures/release.p7s'), 'x')],
  ])('is not installed if its stored signatures %s', async (_, change) => {
    const opened = await siteWith();
    const folder = releaseFolder(opened.site, made(2).id);
    change(folder);
    await revoke(opened, ann);
    const error = await expectCode(() => installImported('chat@2.0.0', opened), 'signer-revoked');
    expect(error.found).toContain('its stored signatures cannot be verified');
  });

  it('is refused by an import, as before', async () => {
    const opened = await siteWith();
    await revoke(opened, ann);
    const { folder } = made(1);
    await expectCode(() => install(folder, { ...opened, trust }), 'signer-revoked');
  });
});
