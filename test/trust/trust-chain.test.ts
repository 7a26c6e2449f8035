import { describe, expect, it } from 'vitest';
import { type ErrorCode, StowageError } from '../../src/core/error.ts';
import { MAX_TRUST_BYTES } from '../../src/core/limits.ts';
import { writeCanonical } from '../../src/format/document.ts';
import { type Trust, trustKind } from '../../src/format/trust.ts';
import { oids } from '../../src/trust/algorithm.ts';
import { parseCertificate } from '../../src/trust/certificate.ts';
import { octetString } from '../../src/trust/der.ts';
import {
  MAX_TRUST_LINKS,
  type TrustLink,
  walkFromFirst,
  walkTrust,
} from '../../src/trust/trust-chain.ts';
import { trustFromRoot } from '../../src/trust/trust-root.ts';
import { expectCode } from '../support/error.ts';
import { type Holder, makeSigner } from './authority.ts';
import { extension, leafExtensions, oddCertificate } from './odd-certificate.ts';
import { DAY_MS, makeParty, type Party, pin, rolesOf, TrustSimulator } from './simulator.ts';

const heir = makeParty('heir');
const stranger = makeParty('stranger');

/** From the keeper to the heir: the one step that needs both. */
function handOver(sim: TrustSimulator): Pick<Trust, 'roots' | 'roles'> {
  return {
    roots: [pin(heir), pin(sim.vendor)],
    roles: rolesOf({ threshold: 1, roots: ['heir'] }),
  };
}

function codeOf(run: () => unknown): ErrorCode | 'accepted' {
  try {
    run();
    return 'accepted';
  } catch (error) {
    if (error instanceof StowageError) return error.code;
    throw error;
  }
}

describe('when a chain is valid', () => {
  it('stays at the pinned document without links', () => {
    const sim = new TrustSimulator();
    expect(sim.walk()).toBe(sim.pinned);
  });

  it('moves a site from 1 to 3', () => {
    const sim = new TrustSimulator();
    sim.issue({ trust: { channels: ['stable'] } });
    sim.issue({ trust: { seqFloor: { 'chat/stable': 4 } } });
    expect(sim.walk()).toEqual({
      ...sim.pinned,
      version: 3,
      channels: ['stable'],
      seqFloor: { 'chat/stable': 4 },
    });
  });

  it('replaces the root when old and new sign, and continues with the new one only', () => {
    const sim = new TrustSimulator();
    sim.issue({ trust: handOver(sim), signers: [sim.keeper.signer, heir.signer] });
    sim.issue({ signers: [heir.signer] });
    expect(sim.walk().version).toBe(3);
    expect(sim.walk().roots.map(({ name }) => name)).toEqual(['heir', 'vendor']);
  });

  it('starts from a root certificate alone', () => {
    const sim = new TrustSimulator();
    sim.pinned = trustFromRoot(sim.keeper.root.certificate, sim.clock);
    sim.issue();
    expect(sim.walk().version).toBe(2);
  });

  it('accepts an expired intermediate document', () => {
    const sim = new TrustSimulator({ expiresAt: '2026-11-02T00:00:00Z' });
    sim.issue({ trust: { expiresAt: '2026-11-10T00:00:00Z' } });
    sim.issue({ trust: { expiresAt: '2027-11-21T00:00:00Z' } });
    expect(sim.walk().version).toBe(3);
  });

  it('ignores signatures that do not count, beside those that do', () => {
    const sim = new TrustSimulator();
    sim.issue({ signers: [stranger.signer, sim.vendor.signer, sim.keeper.signer] });
    expect(sim.walk().version).toBe(2);
  });

  it('follows the maximum number of links', () => {
    const sim = new TrustSimulator();
    for (let n = 0; n < 20; n += 1) sim.issue();
    expect(sim.walk().version).toBe(21);
  });

  it('requires both algorithms if the role root does', async () => {
    const quantum = makeParty('quantum', 'ml-dsa-87');
    const sim = new TrustSimulator();
    const requires = ['ecdsa-p384-sha384', 'ml-dsa-87'] as const;
    sim.issue({
      trust: {
        roots: [pin(sim.keeper), pin(sim.vendor), pin(quantum)],
        roles: rolesOf({ threshold: 2, roots: ['keeper', 'quantum'], requires }),
      },
      signers: [sim.keeper.signer, quantum.signer],
    });
    sim.issue({ signers: [sim.keeper.signer, quantum.signer] });
    expect(sim.walk().version).toBe(3);
    const [second, third] = sim.links as [TrustLink, TrustLink];
    for (const lacking of [0, 1]) {
      const signatures = third.signatures.filter((_, index) => index !== lacking);
      await expectCode(() => sim.walk([second, { ...third, signatures }]), 'threshold-unmet');
    }
  });
});

describe('when a chain skips or repeats', () => {
  it('refuses N+2 without N+1 (attack 48)', async () => {
    const sim = new TrustSimulator();
    sim.issue();
    const third = sim.issue();
    const error = await expectCode(() => sim.walk([third]), 'trust-conflict');
    expect(error.message).toBe('trust document 2 is missing from the chain');
  });

  it('never reads what is not newer than the pinned document (attack 52)', () => {
    const sim = new TrustSimulator();
    const links = [sim.issue(), sim.issue(), sim.issue()];
    sim.pinned = sim.walk(links.slice(0, 2));
    expect(sim.walk(links.slice(0, 1)).version).toBe(3);
    const spoilt = links.map((link, n) => (n < 2 ? { ...link, bytes: Buffer.from('?') } : link));
    expect(sim.walk(spoilt).version).toBe(4);
  });

  it.each([
    ['a version that comes before', [1, 0]],
    ['one version twice', [0, 0]],
    ['an older one at the end', [0, 1, 0]],
  ])('refuses %s', async (_, order) => {
    const sim = new TrustSimulator();
    const links = [sim.issue(), sim.issue()];
    const bent = order.map((n) => links[n] as TrustLink);
    const error = await expectCode(() => sim.walk(bent), 'trust-conflict');
    expect(error.message).toBe('the trust documents are out of order');
  });

  it.each([
    ['an older one', 1],
    ['the pinned one', 2],
    ['a later one', 4],
  ])('refuses a document that says it is %s (version field lie)', async (_, version) => {
    const sim = new TrustSimulator();
    sim.pinned = { ...sim.pinned, version: 2 };
    sim.issue({ trust: { version }, file: 3 });
    const error = await expectCode(() => sim.walk(), 'trust-conflict');
    expect(error.found).toBe(`version ${version}`);
  });

  it('refuses an older document under a newer name', async () => {
    const sim = new TrustSimulator();
    const second = sim.issue();
    const replayed = { ...second, version: 3 };
    const error = await expectCode(() => sim.walk([second, replayed]), 'trust-conflict');
    expect(error.message).toContain('contains another version');
  });

  it('refuses too many links, before it verifies one', async () => {
    const sim = new TrustSimulator();
    const links = (count: number): TrustLink[] =>
      Array.from({ length: count }, (_, n) => ({
        version: n + 2,
        bytes: Buffer.alloc(0),
        signatures: [],
      }));
    const error = await expectCode(() => sim.walk(links(MAX_TRUST_LINKS + 1)), 'trust-conflict');
    expect(error.found).toBe(String(MAX_TRUST_LINKS + 1));
    await expectCode(() => sim.walk(links(MAX_TRUST_LINKS)), 'signature-missing');
  });
});

describe('when a step is not signed by both sides', () => {
  it('refuses no signature at all', async () => {
    const sim = new TrustSimulator();
    sim.issue({ signers: [] });
    await expectCode(() => sim.walk(), 'signature-missing');
  });

  it('refuses the old keys alone (attack 49)', async () => {
    const sim = new TrustSimulator();
    sim.issue({ trust: handOver(sim) });
    const error = await expectCode(() => sim.walk(), 'signer-untrusted');
    expect(error.message).toMatch(/^trust document 2, judged by itself: /);
  });

  it('refuses the new keys alone (attack 49)', async () => {
    const sim = new TrustSimulator();
    sim.issue({ trust: handOver(sim), signers: [heir.signer] });
    const error = await expectCode(() => sim.walk(), 'signer-untrusted');
    expect(error.message).toMatch(/^trust document 2, judged by 1: /);
  });

  it('refuses an attacker who names himself (attack 66)', async () => {
    const sim = new TrustSimulator();
    const roles = rolesOf({ threshold: 1, roots: ['stranger'] }, ['stranger']);
    sim.issue({ trust: { roots: [pin(stranger)], roles }, signers: [stranger.signer] });
    await expectCode(() => sim.walk(), 'signer-untrusted');
  });

  it('refuses a signer of the release role', async () => {
    const sim = new TrustSimulator();
    sim.issue({ signers: [sim.vendor.signer] });
    await expectCode(() => sim.walk(), 'threshold-unmet');
  });

  it('refuses one signature where two are required, by the old or the new document', async () => {
    const two = { threshold: 2, roots: ['keeper'] };
    const strict = new TrustSimulator();
    strict.pinned = { ...strict.pinned, roles: rolesOf(two) };
    strict.issue({ trust: { roles: rolesOf({ ...two, threshold: 1 }) } });
    const before = await expectCode(() => strict.walk(), 'threshold-unmet');
    expect(before.message).toContain('judged by 1');
    const lax = new TrustSimulator();
    lax.issue({ trust: { roles: rolesOf(two) } });
    const after = await expectCode(() => lax.walk(), 'threshold-unmet');
    expect(after.message).toContain('judged by itself');
  });

  const twin = (issuer: Holder, { key, certificate }: Holder): Holder => {
    const keyId = extension(oids.subjectKeyIdentifier, octetString(Buffer.alloc(20, 7)));
    const extensions = [...Object.values(leafExtensions), keyId];
    const odd = oddCertificate(issuer, certificate.publicKey, { extensions });
    return { key, certificate: parseCertificate(odd) };
  };
  const aliases: readonly (readonly [string, (keeper: Party) => Holder])[] = [
    ['twice', ({ signer }) => signer],
    [
      'under two certificates (attack 50)',
      ({ root, signer: { key: privateKey, certificate } }) =>
        makeSigner(root, { pair: { privateKey, publicKey: certificate.publicKey } }),
    ],
    ['under another key id (attack 51)', ({ root, signer }) => twin(root, signer)],
  ];

  it.each(aliases)('counts one key once, when it signs %s', async (_, alias) => {
    const roles = rolesOf({ threshold: 2, roots: ['keeper'] });
    const sim = new TrustSimulator({ roles });
    const { keeper } = sim;
    const link = sim.issue({ signers: [keeper.signer, alias(keeper)] });
    const error = await expectCode(() => sim.walk(), 'threshold-unmet');
    expect(error.found).toBe('1');
    expect(error.defects.join()).toContain('its key was already counted');
    const colleague = makeSigner(keeper.root, { name: 'Colleague' });
    const signatures = [...link.signatures, sim.sign(2, link.bytes, colleague)];
    expect(sim.walk([{ ...link, signatures }]).version).toBe(2);
  });

  const revokeKeeper = ({ keeper: { root, signer } }: TrustSimulator): Trust['revoked'] => [
    {
      issuer: root.certificate.fingerprint,
      serial: signer.certificate.serial,
      reason: 'key lost',
    },
  ];

  it('refuses a signer whom the old document revoked', async () => {
    const sim = new TrustSimulator();
    sim.pinned = { ...sim.pinned, revoked: revokeKeeper(sim) };
    sim.issue({ trust: { revoked: [] } });
    const error = await expectCode(() => sim.walk(), 'signer-revoked');
    expect(error.message).toContain('judged by 1');
  });

  it('refuses a signer whom the new document revokes, and accepts another one', async () => {
    const sim = new TrustSimulator();
    const { bytes } = sim.issue({ trust: { revoked: revokeKeeper(sim) } });
    const error = await expectCode(() => sim.walk(), 'signer-revoked');
    expect(error.message).toContain('judged by itself');
    const colleague = makeSigner(sim.keeper.root, { name: 'Colleague' });
    const signatures = [sim.sign(2, bytes, colleague)];
    expect(sim.walk([{ version: 2, bytes, signatures }]).revoked).toHaveLength(1);
  });

  it('refuses a broken signature beside a good one', async () => {
    const sim = new TrustSimulator();
    const link = sim.issue();
    const other = sim.sign(2, Buffer.from('other content'), stranger.signer);
    const signatures = [...link.signatures, other];
    await expectCode(() => sim.walk([{ ...link, signatures }]), 'signature-invalid');
  });

  it('refuses the signature of another version', async () => {
    const sim = new TrustSimulator();
    const [second, third] = [sim.issue(), sim.issue()];
    const { signatures } = second;
    await expectCode(() => sim.walk([second, { ...third, signatures }]), 'signature-invalid');
  });
});

describe('when a valid signature covers an invalid document', () => {
  it.each([
    ['is no JSON', Buffer.from('garbage')],
    ['is of another schema', Buffer.from('{"schema":"stowage/bundle/v1"}')],
    ['is empty', Buffer.alloc(0)],
  ])('refuses what %s', async (_, bytes) => {
    const sim = new TrustSimulator();
    sim.issue({ bytes });
    const error = await expectCode(() => sim.walk(), 'document-invalid');
    expect(error.message).toMatch(/^trust document 2: /);
  });

  it('refuses a document that is not in canonical form', async () => {
    const sim = new TrustSimulator();
    const spaced = JSON.stringify({ ...sim.pinned, version: 2 }, null, 2);
    sim.issue({ bytes: Buffer.from(spaced) });
    await expectCode(() => sim.walk(), 'document-invalid');
  });

  it('refuses a field that would relax it (attack 66)', async () => {
    const sim = new TrustSimulator();
    const bytes = Buffer.from('{"bypass":true}');
    sim.issue({ bytes });
    await expectCode(() => sim.walk(), 'document-invalid');
  });

  it('does not parse it before a signature was verified', async () => {
    const sim = new TrustSimulator();
    sim.issue({ bytes: Buffer.from('garbage'), signers: [stranger.signer] });
    await expectCode(() => sim.walk(), 'signer-untrusted');
  });

  it('refuses one that is too large, before it checks signatures', async () => {
    const sim = new TrustSimulator();
    const link = { ...sim.issue(), bytes: Buffer.alloc(MAX_TRUST_BYTES + 1, 0x20) };
    const error = await expectCode(() => sim.walk([link]), 'trust-conflict');
    expect(error.message).toContain('too large');
    const most = { ...link, bytes: link.bytes.subarray(1) };
    await expectCode(() => sim.walk([most]), 'signature-invalid');
  });
});

describe('when the clock or an expiry refuses it', () => {
  it.each([
    ['a second before', -1000, 'accepted'],
    ['at the moment', 0, 'trust-conflict'],
    ['a day after', DAY_MS, 'trust-conflict'],
  ])('judges the last document %s it expires', (_, ms, code) => {
    const sim = new TrustSimulator();
    const expiresAt = '2026-12-01T00:00:00Z';
    sim.issue({ trust: { expiresAt } });
    sim.clock = new Date(Date.parse(expiresAt) + ms);
    expect(codeOf(() => sim.walk())).toBe(code);
  });

  it('refuses an expired pinned document without a successor', async () => {
    const sim = new TrustSimulator({ expiresAt: '2026-11-02T00:00:00Z' });
    const error = await expectCode(() => sim.walk(), 'trust-conflict');
    expect(error.message).toBe('trust document 1 has expired');
  });

  it('refuses a signature from the future', async () => {
    const sim = new TrustSimulator();
    sim.clock = new Date('2026-11-25T00:00:00Z');
    sim.issue();
    sim.clock = new Date('2026-11-21T00:00:00Z');
    await expectCode(() => sim.walk(), 'signature-invalid');
  });
});

describe('when one byte of a chain is changed', () => {
  const sim = new TrustSimulator();
  sim.issue({ trust: { channels: ['stable'] } });
  sim.issue();
  const flipped = (bytes: Buffer, at: number): Buffer => {
    const copy = Buffer.from(bytes);
    copy[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
    return copy;
  };

  /** Walks one step with a byte of a file flipped, from where the step before ended; e2e/every-byte flips them all. */
  function flipSome(n: number, pick: (link: TrustLink) => Buffer, put: (bytes: Buffer) => object) {
    const link = sim.links[n] as TrustLink;
    const before = sim.walk(sim.links.slice(0, n));
    const bytes = pick(link);
    expect(bytes.length).toBeGreaterThan(800);
    const walk = (changes: object) => walkTrust(before, [{ ...link, ...changes }], sim.clock);
    expect(walk({}).version).toBe(n + 2);
    const places = [...bytes.keys()].filter((at) => at % 17 === 0);
    return new Set(places.map((at) => codeOf(() => walk(put(flipped(bytes, at))))));
  }

  it.each([0, 1])('refuses bytes of document %i', (n) => {
    const codes = flipSome(
      n,
      ({ bytes }) => bytes,
      (bytes) => ({ bytes }),
    );
    expect([...codes]).toEqual(['signature-invalid']);
  });

  it.each([0, 1])('refuses bytes of the signature of document %i', (n) => {
    const codes = flipSome(
      n,
      ({ signatures }) => signatures[0]?.bytes ?? Buffer.alloc(0),
      (bytes) => ({ signatures: [{ name: 'x.p7s', bytes }] }),
    );
    const allowed = [
      'signature-malformed',
      'signature-invalid',
      'certificate-invalid',
      'algorithm-refused',
      'signer-untrusted',
    ];
    expect([...codes].filter((code) => !allowed.includes(code))).toEqual([]);
  });
});

describe('when a chain is followed from its own first document', () => {
  const first = (sim: TrustSimulator): TrustLink => {
    const bytes = writeCanonical(trustKind, sim.pinned);
    return { version: 1, bytes, signatures: [] };
  };

  it('returns its newest, and nothing if there is no document', () => {
    const sim = new TrustSimulator();
    sim.issue();
    expect(walkFromFirst([first(sim), ...sim.links], sim.clock)?.version).toBe(2);
    expect(walkFromFirst([first(sim)], sim.clock)).toEqual(sim.pinned);
    expect(walkFromFirst([], sim.clock)).toBeUndefined();
  });

  it('refuses a first document under another number', async () => {
    const sim = new TrustSimulator();
    const renamed = { ...first(sim), version: 2 };
    const error = await expectCode(() => walkFromFirst([renamed], sim.clock), 'trust-conflict');
    expect(error.found).toBe('version 1');
  });

  it('refuses an invalid first document', async () => {
    const bytes = Buffer.from('{}');
    const link = { version: 1, bytes, signatures: [] };
    await expectCode(() => walkFromFirst([link], new Date()), 'document-invalid');
  });
});
