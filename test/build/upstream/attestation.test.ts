import { describe, expect, it } from 'vitest';
import { verdictAttestations } from '../../../src/build/upstream/attestation.ts';
import { digestHex, digestOf } from '../../../src/core/digest.ts';
import { parseCanonical } from '../../../src/core/json.ts';
import type { Lock } from '../../../src/format/lock.ts';
import type { SignatureVerdict } from '../../../src/format/upstream.ts';
import { relock, sampleOf } from '../samples.ts';

const { lock } = sampleOf(10);
const trusted = [{ path: 'vendor.pub', digest: digestOf(Buffer.from('k')) }];
const signature = digestOf(Buffer.from('s'));
const passed: SignatureVerdict = {
  result: 'passed',
  form: 'model-signing',
  signature,
  trusted,
  log: 'none',
  signer: { key: 'a'.repeat(64) },
  unsigned: ['README.md'],
};

function withVerdicts(model: SignatureVerdict, image: SignatureVerdict): Lock {
  const demand = { required: false, key: 'vendor.pub' };
  return relock(lock, {
    manifest: {
      ...lock.manifest,
      models: lock.manifest.models.map((each) => ({ ...each, signature: demand })),
      images: lock.manifest.images.map((each) => ({ ...each, signature: demand })),
    },
    models: lock.models.map((each) => ({ ...each, signature: model })),
    images: lock.images.map((each) => ({ ...each, signature: image })),
  });
}

interface Statement {
  readonly _type: string;
  readonly subject: readonly {
    readonly name: string;
    readonly digest: { readonly sha256: string };
  }[];
  readonly predicateType: string;
  readonly predicate: Record<string, unknown>;
}

function statements(from: Lock): Record<string, Statement> {
  const made = [...verdictAttestations(from)];
  return Object.fromEntries(
    made.map(([path, bytes]) => [path, parseCanonical(bytes) as unknown as Statement]),
  );
}

describe('when a lock has verdicts', () => {
  const made = statements(
    withVerdicts(passed, { result: 'absent', reason: 'no signature', trusted, log: 'none' }),
  );

  it('writes a verification summary of each, as in-toto and SLSA specify', () => {
    expect(Object.keys(made)).toEqual([
      'attestations/upstream-tiny.vsa.json',
      'attestations/upstream-server.vsa.json',
    ]);
    for (const each of Object.values(made)) {
      expect(each._type).toBe('https://in-toto.io/Statement/v1');
      expect(each.predicateType).toBe('https://slsa.dev/verification_summary/v1');
      expect(each.predicate).toMatchObject({
        verifier: { id: expect.stringMatching(/^pkg:npm\/stowage@/) },
        timeVerified: lock.resolvedAt,
        policy: { digest: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } },
        verifiedLevels: ['SLSA_BUILD_LEVEL_UNEVALUATED'],
      });
    }
  });

  it('lists only the signed files as subjects', () => {
    const model = made['attestations/upstream-tiny.vsa.json'];
    expect(model?.subject.map(({ name }) => name)).toEqual([
      'model:tiny/empty.txt',
      'model:tiny/model.safetensors',
    ]);
    expect(model?.predicate['verificationResult']).toBe('PASSED');
    expect(model?.predicate['inputAttestations']).toEqual([
      { uri: expect.any(String), digest: { sha256: digestHex(signature) } },
    ]);
  });

  it('states FAILED for an absent signature, and the image', () => {
    const image = made['attestations/upstream-server.vsa.json'];
    expect(image?.predicate['verificationResult']).toBe('FAILED');
    expect(image?.predicate['inputAttestations']).toBeUndefined();
    const [target] = lock.images;
    expect(image?.subject[0]?.digest.sha256).toBe(target && digestHex(target.target.digest));
  });

  it('has a different policy digest for a different key, and the same bytes for the same lock', () => {
    const from = withVerdicts(passed, passed);
    const other = { ...passed, trusted: [{ path: 'vendor.pub', digest: signature }] };
    const policy = (each: Lock): unknown =>
      statements(each)['attestations/upstream-tiny.vsa.json']?.predicate['policy'];
    expect(policy(withVerdicts(other, passed))).not.toEqual(policy(from));
    expect([...verdictAttestations(from)]).toEqual([...verdictAttestations(structuredClone(from))]);
  });
});

it('writes none if the manifest requires none', () => {
  expect(verdictAttestations(lock).size).toBe(0);
});
