import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { assemble } from '../../../src/build/assemble.ts';
import type { SitePolicy } from '../../../src/bundle/admission/admission-policy.ts';
import { admit } from '../../../src/bundle/admission/admit.ts';
import { chainFiles, readChain } from '../../../src/bundle/admission/trust-files.ts';
import type { AdmittedBundle } from '../../../src/bundle/admitted-bundle.ts';
import { signBundle } from '../../../src/bundle/signing/sign.ts';
import type { ErrorCode } from '../../../src/core/error.ts';
import { MAX_SIGNATURES, MAX_TRUST_BYTES } from '../../../src/core/limits.ts';
import type { LedgerEvent } from '../../../src/format/ledger.ts';
import type { Trust } from '../../../src/format/trust.ts';
import { BlobStore } from '../../../src/io/blob-store.ts';
import { makeFolder } from '../../../src/io/folder.ts';
import { install } from '../../../src/site/applying/change-release.ts';
import { keepTrust, openLedger } from '../../../src/site/ledger/site-ledger.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { hostPlatform } from '../../../src/target/host/platform.ts';
import { context, packedAt } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTarget } from '../../support/fake-engine.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { smallBundle } from '../../support/small-bundle.ts';
import { tree } from '../../support/tree.ts';
import { type Holder, makeSigner } from '../../trust/authority.ts';
import { DAY_MS, makeParty, pin, rolesOf, TrustSimulator } from '../../trust/simulator.ts';

const scratch = scratchFolder();
const heir = makeParty('heir');

/** A simulator at the moment at which bundles are made. */
function simulator(changes: Partial<Trust> = {}): TrustSimulator {
  const sim = new TrustSimulator(changes);
  sim.clock = packedAt;
  return sim;
}

/** A bundle that carries what the simulator issued, signed by its vendor. */
async function bundleWith(
  sim: TrustSimulator,
  values: {
    readonly seq?: number;
    readonly signers?: readonly Holder[];
    readonly files?: ReadonlyMap<string, Buffer>;
  } = {},
): Promise<string> {
  const place = scratch.fresh();
  const { root, signer } = sim.vendor;
  const authority = { root: root.certificate, signer, trust: sim.pinned };
  const { lock } = await smallBundle({ place, authority, images: false, seq: values.seq ?? 1 });
  const { folder } = await assemble(lock, {
    ...context(),
    store: new BlobStore(join(place, 'store')),
    output: join(place, 'carrying'),
    partSize: 0,
    trust: values.files ?? chainFiles(sim.links),
  });
  const signers = values.signers ?? [signer];
  for (const [n, each] of signers.entries()) await signBundle(folder, `s${n}`, each, packedAt);
  return folder;
}

const enter = (
  folder: string,
  sim: TrustSimulator,
  policy?: Partial<SitePolicy>,
): Promise<AdmittedBundle> =>
  admit(folder, {
    ...context(),
    trust: sim.pinned,
    ...(policy === undefined ? {} : { policy: { ...asking(), ...policy } }),
  });

function asking(): SitePolicy {
  const state: SitePolicy['state'] = {
    accepted: [],
    floor: '1970-01-01T00:00:00Z',
    recalls: [],
  };
  return { channels: ['stable'], platform: hostPlatform(), state };
}

async function refuse(folder: string, sim: TrustSimulator, code: ErrorCode): Promise<string> {
  const before = tree(folder);
  const error = await expectCode(() => enter(folder, sim), code);
  expect(tree(folder)).toEqual(before);
  return error.message;
}

/** From 1 to 3: the heir joins, and the keeper goes. */
function rotation(): TrustSimulator {
  const sim = simulator();
  const roots = [pin(heir), pin(sim.vendor)];
  const roles = rolesOf({ threshold: 1, roots: ['heir'] });
  sim.issue({ trust: { roots, roles }, signers: [sim.keeper.signer, heir.signer] });
  sim.issue({ trust: { channels: ['stable'] }, signers: [heir.signer] });
  return sim;
}

describe('when a bundle carries the trust documents that follow', () => {
  it('is judged by the newest, which it gives', async () => {
    const sim = rotation();
    const admitted = await enter(await bundleWith(sim), sim);
    expect(admitted.trust).toEqual(sim.walk());
    expect(admitted.trust.version).toBe(3);
    expect([...admitted.controlFiles.keys()].filter((path) => path.startsWith('trust/'))).toEqual([
      'trust/2.trust.json',
      ...(sim.links[0]?.signatures.map(({ name }) => `trust/${name}`) ?? []),
      'trust/3.trust.json',
      ...(sim.links[1]?.signatures.map(({ name }) => `trust/${name}`) ?? []),
    ]);
  });

  it('walks first of all', async () => {
    const sim = rotation();
    const listening = context();
    await admit(await bundleWith(sim), { ...listening, trust: sim.pinned });
    const steps = listening.events.flatMap((each) => (each.type === 'step' ? [each.step] : []));
    expect(steps.slice(0, 2)).toEqual(['trust', 'signatures']);
  });

  it('is admitted at a site that has walked some or all of the way', async () => {
    const sim = rotation();
    const folder = await bundleWith(sim);
    const [second] = sim.links;
    if (second === undefined) throw new Error('no link');
    const all = sim.walk();
    for (const pinned of [sim.walk([second]), all]) {
      const admitted = await admit(folder, { ...context(), trust: pinned });
      expect(admitted.trust).toEqual(all);
    }
  });

  it('lets new signers in, and old ones out, with the same bundle', async () => {
    const sim = simulator();
    const newcomer = makeParty('newcomer');
    const roots = [pin(sim.keeper), pin(newcomer)];
    const roles = rolesOf({ threshold: 1, roots: ['keeper'] }, ['newcomer']);
    sim.issue({ trust: { roots, roles } });
    const { signers } = await enter(await bundleWith(sim, { signers: [newcomer.signer] }), sim);
    expect(signers).toMatchObject([{ counted: true, root: 'newcomer' }]);
    await refuse(await bundleWith(sim), sim, 'signer-untrusted');
  });

  it('is refused when the newest revokes its signer', async () => {
    const sim = simulator();
    const { root, signer } = sim.vendor;
    const issuer = root.certificate.keyFingerprint;
    const { serial } = signer.certificate;
    sim.issue({ trust: { revoked: [{ issuer, serial, reason: 'key lost' }] } });
    expect(await refuse(await bundleWith(sim), sim, 'signer-revoked')).toContain('revoked');
  });
});

describe('when a site installs it', () => {
  const install1 = async (folder: string, site: SiteFolder, trust: Trust): Promise<void> => {
    await install(folder, { ...context(), site, target: fakeTarget(), trust });
  };

  it('ends pinned to the newest', async () => {
    const sim = rotation();
    const site = new SiteFolder(scratch.fresh('site'));
    await install1(await bundleWith(sim), site, sim.pinned);
    expect(await site.trust()).toEqual(sim.walk());
  });

  it('keeps the newest against an older bundle, and against who believes to have an older one', async () => {
    const sim = simulator();
    const site = new SiteFolder(scratch.fresh('site'));
    const before = await bundleWith(sim);
    sim.issue({ trust: { channels: ['stable'] } });
    await install1(await bundleWith(sim, { seq: 2 }), site, sim.pinned);
    await expectCode(() => install1(before, site, sim.pinned), 'release-rollback');
    expect(await site.trust()).toEqual(sim.walk());
    const later = await bundleWith(simulatorWithout(sim), { seq: 3 });
    await install1(later, site, sim.pinned);
    expect(await site.trust()).toEqual(sim.walk());
  });

  it('stays as it was when the bundle is refused', async () => {
    const sim = simulator();
    const site = new SiteFolder(scratch.fresh('site'));
    await install1(await bundleWith(sim), site, sim.pinned);
    sim.issue();
    const folder = await bundleWith(sim, { seq: 2, signers: [heir.signer] });
    await expectCode(() => install1(folder, site, sim.pinned), 'signer-untrusted');
    expect((await site.trust())?.version).toBe(1);
  });
});

describe('when a site pins a trust document', () => {
  const place = async (): Promise<{
    keep: (trust: Trust) => Promise<boolean>;
    site: SiteFolder;
    events: () => readonly LedgerEvent[];
  }> => {
    const site = new SiteFolder(scratch.fresh('site'));
    await makeFolder(site.path());
    const ledger = await openLedger(site);
    return {
      site,
      keep: (trust) => keepTrust(site, ledger, trust, packedAt),
      events: () => ledger.entries.map(({ event }) => event),
    };
  };
  const pinned = simulator().pinned;

  it('writes it, and into the ledger, once', async () => {
    const { site, keep, events } = await place();
    expect(await keep(pinned)).toBe(true);
    expect(await keep(pinned)).toBe(false);
    expect(await site.trust()).toEqual(pinned);
    expect(events()).toMatchObject([{ kind: 'trusted', version: 1 }]);
    expect(events()[0]).not.toHaveProperty('seqFloor');
  });

  it('goes on to a newer one, whose floors the ledger keeps', async () => {
    const { site, keep, events } = await place();
    const newer = { ...pinned, version: 3, seqFloor: { 'chat/stable': 7 } };
    await keep(pinned);
    expect(await keep(newer)).toBe(true);
    expect(await site.trust()).toEqual(newer);
    expect(events()[1]).toMatchObject({ version: 3, seqFloor: { 'chat/stable': 7 } });
  });

  it.each([
    ['an older one (attack 52)', 1],
    ['another of the same version', 2],
  ])('never takes %s in its place', async (_, version) => {
    const { site, keep, events } = await place();
    const second = { ...pinned, version: 2 };
    await keep(second);
    const other = { ...pinned, version, channels: ['beta'] };
    await expectCode(() => keep(other), 'trust-conflict');
    expect(await site.trust()).toEqual(second);
    expect(events()).toHaveLength(1);
  });
});

/** The same parties, who send no trust document along. */
function simulatorWithout(sim: TrustSimulator): TrustSimulator {
  return Object.assign(Object.create(sim), { links: [] });
}

describe('when the chain on the media is not as it was signed', () => {
  it.each<readonly [string, ErrorCode, (folder: string, sim: TrustSimulator) => void]>([
    [
      'its middle is gone (attack 48)',
      'trust-conflict',
      (folder) => {
        for (const name of readdirSync(folder).filter((each) => each.startsWith('2.')))
          rmSync(join(folder, name));
      },
    ],
    [
      'a document is gone and its signature is not',
      'trust-conflict',
      (folder) => rmSync(join(folder, '3.trust.json')),
    ],
    [
      'its signatures are gone',
      'signature-missing',
      (folder) => {
        for (const name of readdirSync(folder).filter((each) => each.endsWith('.p7s')))
          rmSync(join(folder, name));
      },
    ],
    ['all of it is gone', 'part-missing', (folder) => rmSync(folder, { recursive: true })],
    [
      'a file is put in its place',
      'file-unexpected',
      (folder) => {
        rmSync(folder, { recursive: true });
        writeFileSync(folder, '');
      },
    ],
    [
      'a document is added',
      'signature-missing',
      (folder) => writeFileSync(join(folder, '4.trust.json'), '{}'),
    ],
    [
      'history is added',
      'file-unexpected',
      (folder) => writeFileSync(join(folder, '1.trust.json'), '{}'),
    ],
    [
      'a good signature is added',
      'file-unexpected',
      (folder, sim) => {
        const { bytes } = sim.sign(3, readFileSync(join(folder, '3.trust.json')), heir.signer);
        writeFileSync(join(folder, '3.trust.json.more.p7s'), bytes);
      },
    ],
    [
      'another file is added',
      'file-unexpected',
      (folder) => writeFileSync(join(folder, 'README'), ''),
    ],
    [
      'a name has a leading zero',
      'file-unexpected',
      (folder) => writeFileSync(join(folder, '04.trust.json'), '{}'),
    ],
    [
      'a name has more digits than numbers hold (attack 55)',
      'file-unexpected',
      (folder) => writeFileSync(join(folder, '9007199254740993.trust.json'), '{}'),
    ],
    [
      'a document is too large',
      'trust-conflict',
      (folder) => writeFileSync(join(folder, '2.trust.json'), Buffer.alloc(MAX_TRUST_BYTES + 1)),
    ],
    [
      'there are too many signatures',
      'trust-conflict',
      (folder) => {
        for (let n = 0; n <= MAX_SIGNATURES; n += 1)
          writeFileSync(join(folder, `2.trust.json.x${n}.p7s`), '');
      },
    ],
    [
      'a document is a link (attack 89)',
      'file-kind',
      (folder) => {
        rmSync(join(folder, '2.trust.json'));
        symlinkSync('3.trust.json', join(folder, '2.trust.json'));
      },
    ],
    ['a document is a folder', 'file-kind', (folder) => mkdirSync(join(folder, '4.trust.json'))],
  ])('refuses the bundle when %s', async (_, code, change) => {
    const sim = rotation();
    const folder = await bundleWith(sim);
    change(join(folder, 'trust'), sim);
    await refuse(folder, sim, code);
  });

  it('refuses a file that is not of a chain, though it was signed with the bundle', async () => {
    const sim = rotation();
    const files = new Map([...chainFiles(sim.links), ['trust/note.txt', Buffer.from('x')]]);
    const message = await refuse(await bundleWith(sim, { files }), sim, 'file-unexpected');
    expect(message).toContain('trust/note.txt');
  });

  it('refuses a chain of more documents than it may have, before it reads one', async () => {
    const place = scratch.fresh();
    mkdirSync(place);
    for (let n = 2; n <= 1002; n += 1) writeFileSync(join(place, `${n}.trust.json`), '');
    const all = { above: 1, upTo: 2000 };
    const error = await expectCode(() => readChain(place, all), 'trust-conflict');
    expect(error.found).toBe('1001');
    expect(await readChain(place, { above: 2, upTo: 2000 })).toHaveLength(1000);
  });

  it('refuses a chain of more bytes than it may have', async () => {
    const place = scratch.fresh();
    mkdirSync(place);
    for (let n = 2; n <= 66; n += 1)
      writeFileSync(join(place, `${n}.trust.json`), Buffer.alloc(MAX_TRUST_BYTES));
    await expectCode(() => readChain(place, { above: 1, upTo: 99 }), 'trust-conflict');
    expect(await readChain(place, { above: 2, upTo: 99 })).toHaveLength(64);
  });

  it('sorts by number, and passes over what else lies in a folder', async () => {
    const place = scratch.fresh();
    mkdirSync(place);
    for (const name of ['10.trust.json', '9.trust.json', 'key.pem', '9.trust.json.a.p7s'])
      writeFileSync(join(place, name), '');
    const links = await readChain(place, { above: 0, upTo: 99 });
    expect(links.map(({ version }) => version)).toEqual([9, 10]);
    expect(links[0]?.signatures.map(({ name }) => name)).toEqual(['9.trust.json.a.p7s']);
    expect(await readChain(scratch.fresh(), { above: 0, upTo: 99 })).toEqual([]);
  });
});

describe('when a trust document limits what may enter', () => {
  it.each<readonly [string, Partial<Trust>, ErrorCode | undefined]>([
    ['its channel', { channels: ['beta', 'stable'] }, undefined],
    ['other channels alone (attack 65)', { channels: ['beta'] }, 'release-foreign'],
    ['a floor that it reaches', { seqFloor: { 'chat/stable': 3 } }, undefined],
    ['a floor above it (attack 53)', { seqFloor: { 'chat/stable': 4 } }, 'release-rollback'],
    ['a floor of another channel', { seqFloor: { 'chat/beta': 4 } }, undefined],
    ['a floor of another product', { seqFloor: { 'other/stable': 4 } }, undefined],
  ])('judges a bundle by %s', async (_, limits, code) => {
    const sim = simulator();
    sim.issue({ trust: limits });
    const folder = await bundleWith(sim, { seq: 3 });
    if (code === undefined) await enter(folder, sim);
    else await refuse(folder, sim, code);
  });

  it('judges the age of the newest signature at a site, and not where a bundle is verified', async () => {
    const sim = simulator();
    sim.issue({ trust: { maxAgeDays: 30 } });
    const folder = await bundleWith(sim);
    const judge = (days: number, policy?: SitePolicy) => {
      const now = (): Date => new Date(packedAt.getTime() + days * DAY_MS);
      const trust = sim.pinned;
      const asked = policy === undefined ? {} : { policy };
      return admit(folder, { ...context(), now, trust, ...asked });
    };
    await judge(30, asking());
    await expectCode(() => judge(31, asking()), 'release-expired');
    await judge(31);
  });
});

describe('when a site asks for an approval', () => {
  const officer = makeParty('officer');
  const approving = (sim: TrustSimulator): TrustSimulator => {
    const { roles, roots } = sim.pinned;
    const approval = { threshold: 1, roots: ['officer'] };
    sim.pinned = { ...sim.pinned, roots: [...roots, pin(officer)], roles: { ...roles, approval } };
    return sim;
  };

  it('admits a bundle that was countersigned, without another byte of it changed', async () => {
    const sim = approving(simulator());
    const folder = await bundleWith(sim);
    const before = tree(folder);
    await signBundle(folder, 'officer', officer.signer, packedAt);
    const { 'signatures/officer.p7s': added, ...after } = tree(folder);
    expect(added).toBeDefined();
    expect(after).toEqual(before);
    for (const requireApproval of [true, false]) {
      const { approvers } = await enter(folder, sim, { requireApproval });
      expect(approvers).toMatchObject([{ name: 'officer.p7s', root: 'officer' }]);
    }
  });

  it('names no approvers where nobody approved, or the document has no such role', async () => {
    for (const sim of [approving(simulator()), simulator()])
      expect((await enter(await bundleWith(sim), sim)).approvers).toEqual([]);
  });

  it('never lets one key release and approve, where one root serves both roles', async () => {
    const sim = simulator();
    const { roles } = sim.pinned;
    const approval = { threshold: 1, roots: ['vendor'] };
    sim.pinned = { ...sim.pinned, roles: { ...roles, approval } };
    const { signer, root } = sim.vendor;
    const again = makeSigner(root, {
      name: 'Alias',
      pair: { privateKey: signer.key, publicKey: signer.certificate.publicKey },
    });
    const asking = { requireApproval: true };
    for (const signers of [[signer], [signer, again]]) {
      const folder = await bundleWith(sim, { signers });
      const error = await expectCode(() => enter(folder, sim, asking), 'threshold-unmet');
      expect(error.found).toBe('1');
      expect((await enter(folder, sim)).approvers).toEqual([]);
    }
    const colleague = makeSigner(root, { name: 'Colleague' });
    const folder = await bundleWith(sim, { signers: [signer, colleague] });
    expect((await enter(folder, sim, asking)).approvers).toHaveLength(2);
  });

  it('refuses one that was not, and one that was approved by its releaser', async () => {
    const sim = approving(simulator());
    const colleague = makeSigner(sim.vendor.root, { name: 'Colleague' });
    for (const signers of [[sim.vendor.signer], [sim.vendor.signer, colleague]]) {
      const folder = await bundleWith(sim, { signers });
      await enter(folder, sim);
      const asked = () => enter(folder, sim, { requireApproval: true });
      const error = await expectCode(asked, 'threshold-unmet');
      expect(error.message).toBe('too few approval signatures');
    }
  });

  it('refuses an approval without a release, and a document that has no such role', async () => {
    const sim = approving(simulator());
    const folder = await bundleWith(sim, { signers: [officer.signer] });
    await expectCode(() => enter(folder, sim, { requireApproval: true }), 'threshold-unmet');
    const plain = simulator();
    const released = await bundleWith(plain);
    const asked = () => enter(released, plain, { requireApproval: true });
    const error = await expectCode(asked, 'signer-untrusted');
    expect(error.message).toContain('approval');
  });
});
