import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { StowageError } from '../../src/core/error.ts';
import { admit } from '../../src/deploy/admit.ts';
import type * as file from '../../src/io/file.ts';
import type * as policy from '../../src/trust/policy.ts';
import { context } from '../support/context.ts';
import { scratchFolder } from '../support/scratch.ts';
import { type SmallBundle, smallBundle } from '../support/small-bundle.ts';

// The same list under the same signatures gets the same verdict: it is worked out once for the flips of bundle.json.
vi.mock('../../src/trust/policy.ts', async (original) => {
  const real = await original<typeof policy>();
  const verdicts = new Map<string, ReturnType<typeof policy.evaluateSignatures>>();
  const evaluateSignatures: typeof policy.evaluateSignatures = (
    trust,
    role,
    content,
    files,
    now,
  ) => {
    const bytes = Buffer.concat([content, ...files.map((each) => each.bytes)]).toString('latin1');
    const known = verdicts.get(bytes);
    if (known !== undefined) return known;
    const verdict = real.evaluateSignatures(trust, role, content, files, now);
    verdicts.set(bytes, verdict);
    return verdict;
  };
  return { ...real, evaluateSignatures };
});

// Five thousand bundles differ in a byte each: their small files are served from memory.
const media = vi.hoisted(() => new Map<string, Buffer>());
vi.mock('../../src/io/file.ts', async (original) => {
  const real = await original<typeof file>();
  const readBounded: typeof file.readBounded = async (path, maxBytes) =>
    media.get(path) ?? real.readBounded(path, maxBytes);
  return { ...real, readBounded };
});

const scratch = scratchFolder();
let small: SmallBundle;

beforeAll(async () => {
  small = await smallBundle({ place: scratch.fresh(), images: false });
  for (const path of ['SHA512SUMS', 'bundle.json', 'signatures/release.p7s']) {
    media.set(join(small.folder, path), readFileSync(join(small.folder, path)));
  }
});

/** The codes that a bundle is refused with when one bit of each byte of a file is flipped, in turn. */
async function flipEveryByte(file: string): Promise<Set<string>> {
  const path = join(small.folder, file);
  const bytes = media.get(path) ?? Buffer.alloc(0);
  expect(bytes.length).toBeGreaterThan(1000);
  const codes = new Set<string>();
  for (let at = 0; at < bytes.length; at += 1) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
    media.set(path, flipped);
    codes.add(await codeOf(() => admit(small.folder, { ...context(), trust: small.trust })));
  }
  media.set(path, bytes);
  await admit(small.folder, { ...context(), trust: small.trust });
  return codes;
}

async function codeOf(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
    return 'admitted';
  } catch (error) {
    return error instanceof StowageError ? error.code : String(error);
  }
}

describe('when any one byte is flipped', () => {
  it('refuses the bundle for each byte of SHA512SUMS', async () => {
    expect([...(await flipEveryByte('SHA512SUMS'))]).toEqual(['signature-invalid']);
  });

  it('refuses the bundle for each byte of bundle.json', async () => {
    expect([...(await flipEveryByte('bundle.json'))]).toEqual(['part-damaged']);
  });

  it('refuses the bundle for each byte of the signature', async () => {
    const codes = await flipEveryByte('signatures/release.p7s');
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
