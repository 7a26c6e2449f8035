import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { StowageEvent } from '../../../src/core/context.ts';
import { withSite } from '../../../src/site/applying/change.ts';
import { install, rollback, uninstall } from '../../../src/site/applying/change-release.ts';
import { currentGeneration, nextNumber } from '../../../src/site/generations.ts';
import { readLedger } from '../../../src/site/ledger/site-ledger.ts';
import { stateOf } from '../../../src/site/ledger/site-state.ts';
import { type SiteContext, SiteFolder } from '../../../src/site/site-folder.ts';
import { siteStatus } from '../../../src/site/status.ts';
import { decodeCertificates } from '../../../src/trust/certificate-file.ts';
import { verifyDetached } from '../../../src/trust/cms-verify.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { type FakeTarget, failed, fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { makeAuthority, type SmallBundle, smallBundle } from '../../support/small-bundle.ts';
import { tree } from '../../support/tree.ts';

const scratch = scratchFolder(true);
let one: SmallBundle;
let two: SmallBundle;

beforeAll(async () => {
  one = await smallBundle({ place: scratch.fresh() });
  const { authority } = one;
  two = await smallBundle({ place: scratch.fresh(), authority, version: '2.0.0', seq: 2 });
});

type Opened = SiteContext & { readonly target: FakeTarget };

function open(): Opened {
  const site = new SiteFolder(scratch.fresh('site'));
  return { ...context(), site, target: fakeTarget() };
}

const put = (made: SmallBundle, options: Opened): ReturnType<typeof install> =>
  install(made.folder, { ...options, trust: made.trust });

describe('when two commands meet at a site', () => {
  it('lets one command work, refuses the other, and releases the lock', async () => {
    const options = open();
    let inner: unknown;
    await withSite(options, async () => {
      inner = await expectCode(() => withSite(options, async () => {}), 'site-locked');
      await expectCode(() => put(one, options), 'site-locked');
    });
    expect(inner).toBeDefined();
    await withSite(options, async () => {});
    await expect(withSite(options, () => Promise.reject(new Error('x')))).rejects.toThrow('x');
    expect(existsSync(options.site.path('lock'))).toBe(false);
  });

  it('takes over the lock of a process that no longer exists', async () => {
    const options = open();
    await options.site.prepare();
    writeFileSync(options.site.path('lock'), '{"pid":4194304,"started":"long ago"}');
    await withSite(options, async () => {});
    expect(existsSync(options.site.path('lock'))).toBe(false);
  });
});

describe('when a command was killed', () => {
  it('removes what it left, with the next command', async () => {
    const options = open();
    await put(one, options);
    const { site } = options;
    const before = Object.keys(tree(site.root));
    const id = readdirSync(site.path('layouts'))[0] ?? '';
    const temporary = '.0123456789abcdef.tmp';
    for (const folder of [
      'lock.4194304.0123456789ab',
      'lock.0123456789ab',
      'staging/.piped/signatures',
      `releases/${id}.partial`,
      `layouts/${id}.partial/models`,
      'store/cars',
    ])
      mkdirSync(site.path(folder), { recursive: true });
    mkdirSync(site.path('layouts', id, 'rendered'), { recursive: true });
    for (const folder of [
      ...['.', 'keys', 'generations', 'receipts', 'store/cars'],
      `layouts/${id}/rendered`,
    ])
      writeFileSync(site.path(folder, temporary), '');
    symlinkSync('generations/1.json', site.path('.current.tmp'));
    mkdirSync(site.path('bin'), { recursive: true });
    writeFileSync(site.path('bin/.stowage.partial'), '');
    await withSite(options, async () => {});
    const left = Object.keys(tree(site.root)).filter((path) => !before.includes(path));
    expect(left.toSorted()).toEqual(['bin', `layouts/${id}/rendered`, 'store/cars']);
  });
});

describe('when releases come and go', () => {
  it('numbers generations, and keeps each', async () => {
    const options = open();
    await put(one, options);
    await put(two, options);
    expect((await rollback(undefined, options)).plan.to.number).toBe(1);
    expect((await rollback(2, options)).plan.to.number).toBe(2);
    await expectCode(() => uninstall('chat@9.9.9', options), 'release-unknown');
    const removed = await uninstall('chat@2.0.0', options);
    expect(removed.plan).toMatchObject({ subject: 'chat', to: { number: 3, releases: [] } });
    expect(options.target.engine.state().services).toEqual({});
    expect(await nextNumber(options.site)).toBe(4);
    const back = await rollback(undefined, options);
    expect(back.plan.to.number).toBe(2);
    const id = await options.site.id();
    expect(Object.keys(options.target.engine.state().services)).toEqual([
      `stowage-${id}-chat-server`,
    ]);
  });

  it('has nothing to do the second time', async () => {
    const options = open();
    await put(one, options);
    const calls = options.target.engine.calls.length;
    const again = await put(one, options);
    expect(again.receipt).toBeUndefined();
    expect(again.plan.steps).toEqual([]);
    expect(options.target.engine.calls).toHaveLength(calls);
    expect(readdirSync(options.site.path('receipts'))).toHaveLength(2);
  });

  it('does not take an older bundle in, nor one that failed to be newer', async () => {
    const options = open();
    await put(two, options);
    const before = tree(options.site.root);
    await expectCode(() => put(one, options), 'release-rollback');
    expect(tree(options.site.root)).toEqual(before);
  });

  it('leaves nothing of a bundle that nobody trusts', async () => {
    const options = open();
    const { trust } = makeAuthority('Mallory');
    await expectCode(() => install(one.folder, { ...options, trust }), 'signer-untrusted');
    expect(existsSync(options.site.root)).toBe(false);
    const folders = [
      ['an empty folder', () => {}],
      [
        'a folder with site.yaml',
        (site: SiteFolder) =>
          writeFileSync(site.path('site.yaml'), 'apiVersion: stowage/v1\nname: x\n'),
      ],
      [
        'a folder with keys made beforehand',
        (site: SiteFolder) => cpSync(keys, site.path('keys'), { recursive: true }),
      ],
    ] as const;
    const other = open();
    await put(one, other);
    const keys = other.site.path('keys');
    for (const [what, fill] of folders) {
      const { site } = options;
      rmSync(site.root, { recursive: true, force: true });
      mkdirSync(site.root);
      fill(site);
      const before = tree(site.path('keys'));
      const names = readdirSync(site.root);
      await expectCode(() => install(one.folder, { ...options, trust }), 'signer-untrusted');
      expect(tree(site.path('keys')), what).toEqual(before);
      if (!what.includes('keys')) expect(readdirSync(site.root), what).toEqual(names);
    }
    expect(options.target.engine.calls).toEqual([]);
  });

  it('refuses to roll back to, or uninstall, what does not exist', async () => {
    const options = open();
    await expectCode(() => rollback(undefined, options), 'generation-unknown');
    await expectCode(() => uninstall('chat', options), 'release-unknown');
    await put(one, options);
    await expectCode(() => rollback(undefined, options), 'generation-unknown');
    await expectCode(() => rollback(9, options), 'generation-unknown');
    await expectCode(() => uninstall('other', options), 'release-unknown');
    expect((await currentGeneration(options.site)).number).toBe(1);
  });

  it('changes nothing on a host that is not fit', async () => {
    const options = open();
    options.target.probe = () => Promise.reject(failed('no engine'));
    await expectCode(() => put(one, options), 'engine-failed');
    expect(existsSync(options.site.root)).toBe(false);
  });
});

describe('when a change ended', () => {
  it('leaves a receipt that the key of the site signed', async () => {
    const options = open();
    const { receipt } = await put(one, options);
    expect(receipt).toMatchObject({
      intent: 'install',
      outcome: 'kept',
      generation: 1,
      releases: [{ name: 'chat', version: '1.0.0', seq: 1, bundle: one.id }],
      gates: [{ service: 'server', check: 'process', passed: true }],
    });
    const { site } = options;
    const [json, p7s] = readdirSync(site.path('receipts')).toSorted();
    const bytes = readFileSync(site.path('receipts', json ?? ''));
    const signature = readFileSync(site.path('receipts', p7s ?? ''));
    const { certificate } = verifyDetached(signature, bytes, new Set(['ecdsa-p384-sha384']));
    const [own] = decodeCertificates(readFileSync(site.path('keys/site.pem')));
    expect(certificate.fingerprint).toBe(own?.fingerprint);
    expect(statSync(site.path('keys/site.key.pem')).mode & 0o777).toBe(0o600);
  });

  it('says what runs, asked of the engine', async () => {
    const options = open();
    await put(one, options);
    options.target.engine.running = () => ({ state: 'stopped', detail: 'exit code 1' });
    const before = tree(options.site.root);
    const found = await siteStatus(options);
    expect(found).toMatchObject({
      generation: { number: 1 },
      generations: [1],
      interrupted: false,
      services: [{ service: { name: 'server' }, state: { state: 'stopped' } }],
    });
    expect(tree(options.site.root)).toEqual(before);
  });

  it('records who ran a command, and why an install was rolled back', async () => {
    const user = { uid: 0, sudoUser: 'alice' };
    const options = { ...open(), user };
    await put(one, options);
    const emit = (event: StowageEvent): void => {
      if (event.type === 'step' && event.step === 'switch-generation')
        throw failed('the server stopped');
    };
    await expectCode(() => put(two, { ...options, emit }), 'rolled-back');
    const { entries } = await readLedger(options.site);
    expect(entries.map(({ by }) => by)).toEqual(entries.map(() => user));
    expect(entries.at(-1)?.event).toMatchObject({
      outcome: 'rolled-back',
      generation: 1,
      detail: 'the server stopped',
      release: { name: 'chat', version: '2.0.0', bundle: two.id },
    });
    const { failed: reasons } = await siteStatus(options);
    expect(reasons[two.id]).toMatch(/^rolled back at .*: the server stopped$/);
  });

  it('remembers the trust document and the number', async () => {
    const options = open();
    await put(one, options);
    expect(await options.site.trust()).toEqual(one.trust);
    expect(stateOf((await readLedger(options.site)).entries).accepted).toEqual([
      { product: 'chat', channel: 'stable', seq: 1, bundle: one.id },
    ]);
  });
});
