import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { signBundle } from '../../src/bundle/signing/sign.ts';
import { writeCanonical } from '../../src/format/document.ts';
import { trustKind } from '../../src/format/trust.ts';
import { encodePem } from '../../src/trust/pem.ts';
import { runPolluted } from '../attacks/polluted.ts';
import { program, type Ran, type Surroundings } from '../attacks/program.ts';
import { type SignedBundle, signedBundle } from '../attacks/signed-bundle.ts';
import { packedAt } from '../support/context.ts';
import { scratchFolder } from '../support/scratch.ts';
import { makeRoot, makeSigner } from '../trust/authority.ts';

const scratch = scratchFolder();
const trustPath = join(scratch.root, 'trust.json');
let both: SignedBundle;
let unsigned: string;
let stripped: string;

beforeAll(async () => {
  const algorithms = ['ecdsa-p384-sha384', 'ml-dsa-87'] as const;
  both = await signedBundle({ place: scratch.fresh(), algorithms, requiresAll: true });
  writeFileSync(trustPath, writeCanonical(trustKind, both.trust));
  unsigned = scratch.copy(both.folder);
  rmSync(join(unsigned, 'signatures'), { recursive: true });
  stripped = scratch.copy(both.folder);
  rmSync(join(stripped, 'signatures/ml-dsa-87.p7s'));
});

const verify = (folder: string, around?: Surroundings, trust: string = trustPath): Promise<Ran> =>
  program(['verify', folder, '--trust', trust], around);

/** A module that runs before the program. */
function first(source: string): Surroundings {
  const path = scratch.fresh('first.mjs');
  writeFileSync(path, source);
  return { flags: ['--import', path] };
}

describe('when nothing is wrong with the runtime', () => {
  it('accepts a bundle with both signatures, and refuses one that lacks one or both', async () => {
    expect((await verify(both.folder)).json).toMatchObject({ verified: true, id: both.id });
    expect((await verify(stripped)).json).toMatchObject({ error: { code: 'threshold-unmet' } });
    expect((await verify(unsigned)).json).toMatchObject({ error: { code: 'signature-missing' } });
  });
});

describe('when a prototype was polluted before (attack 114)', () => {
  /** Properties that hostile JSON could have added to the prototype, each named like a document field. */
  const pollutions = [
    { approval: { threshold: 0, roots: ['vendor'] } },
    { threshold: 0, counted: true },
    { acceptAge: 'because' },
    { requires: [], requireApproval: false },
    { channels: ['stable'], seqFloor: {}, maxAgeDays: 99_999 },
    { padding: 1, saltLength: 0, dsaEncoding: 'ieee-p1363' },
    { code: 'accepted', verified: true },
    { 0: 'first', length: 1 },
  ];

  it('accepts nothing that it refuses otherwise, and nothing that it cannot check', async () => {
    const verdicts = await runPolluted(pollutions, [both.folder, stripped, unsigned], trustPath);
    expect(verdicts).toHaveLength(1 + pollutions.length);
    const [clean, ...polluted] = verdicts;
    expect(clean).toEqual([
      ['accepted', 'signer-untrusted', 'release-expired'],
      ['threshold-unmet', 'threshold-unmet', 'threshold-unmet'],
      ['signature-missing', 'signature-missing', 'signature-missing'],
    ]);
    // Strict schemas also see inherited members, and refuse documents with any.
    const refusals = [
      'index-malformed',
      'signature-missing',
      'signer-untrusted',
      'threshold-unmet',
    ];
    expect(new Set(polluted.flat(2))).toEqual(new Set(refusals));
  });
});

describe('when FIPS mode is on and there is no provider for it (attack 115)', () => {
  const around = first("import { setFips } from 'node:crypto'; setFips(true);");

  it('accepts nothing, not even valid bundles, and reports that the host is unsuitable', async () => {
    const folders = [both.folder, stripped, unsigned];
    for (const { status, json } of await Promise.all(folders.map((each) => verify(each, around)))) {
      expect(json).toMatchObject({ error: { code: 'host-unfit' } });
      expect(status).toBe(12);
    }
  });
});

describe('when the runtime lacks ML-DSA (attack 116)', () => {
  const around = first(`
    import crypto from 'node:crypto';
    import { syncBuiltinESMExports } from 'node:module';
    const { createPublicKey, verify } = crypto;
    const unsupported = () => { throw new Error('unsupported'); };
    crypto.verify = (hash, ...rest) => (hash === null ? unsupported() : verify(hash, ...rest));
    crypto.createPublicKey = (input) => {
      const key = createPublicKey(input);
      return key.asymmetricKeyType.startsWith('ml-dsa') ? unsupported() : key;
    };
    syncBuiltinESMExports();
  `);

  it('refuses such a signature, and does not skip it', async () => {
    const { status, json } = await verify(both.folder, around);
    expect(json).toMatchObject({ error: { code: 'algorithm-refused' } });
    expect(status).toBe(10);
  });

  it('refuses a bundle from which that signature was removed', async () => {
    expect((await verify(stripped, around)).json).toMatchObject({
      error: { code: 'threshold-unmet' },
    });
  });
});

describe('when the system trusts another CA (attack 46)', () => {
  it.each([
    ['NODE_EXTRA_CA_CERTS', []],
    ['SSL_CERT_FILE', ['--use-openssl-ca']],
    ['SSL_CERT_FILE', ['--use-system-ca']],
  ])('does not accept its signature because of that (%s, %s)', async (variable, flags) => {
    const mallory = makeRoot({ name: 'Mallory' });
    const place = scratch.fresh();
    mkdirSync(place);
    const store = join(place, 'authorities.pem');
    writeFileSync(store, encodePem('CERTIFICATE', mallory.certificate.der));
    const folder = scratch.copy(unsigned);
    await signBundle(folder, 'mallory', makeSigner(mallory), packedAt);
    const ran = await verify(folder, { env: { [variable]: store }, flags });
    expect(ran.json).toMatchObject({ error: { code: 'signer-untrusted' } });
    expect(ran.status).toBe(10);
  });
});

describe('when variables are hostile (attack 113)', () => {
  it('reports each that is set', async () => {
    const hostile = first('').flags?.[1] ?? '';
    const conf = scratch.fresh('openssl.cnf');
    writeFileSync(conf, '# nothing\n');
    const env = { NODE_OPTIONS: `--import=${hostile}`, OPENSSL_CONF: conf, SSL_CERT_FILE: conf };
    const { json } = await program(['doctor'], { env });
    const found = json.findings.filter((each: { area: string }) => each.area === 'environment');
    expect(found.map((each: { check: string }) => each.check)).toEqual(
      expect.arrayContaining(Object.keys(env)),
    );
    for (const each of found) expect(each.verdict).toBe('doubt');
  });

  it('gives the same verdict despite them', async () => {
    const conf = scratch.fresh('openssl.cnf');
    writeFileSync(
      conf,
      'openssl_conf = x\n[x]\nalg_section = y\n[y]\ndefault_properties = fips=yes\n',
    );
    for (const folder of [stripped, unsigned]) {
      const { status, json } = await verify(folder, { env: { OPENSSL_CONF: conf } });
      expect(json?.verified).not.toBe(true);
      expect(status).not.toBe(0);
    }
  });
});
