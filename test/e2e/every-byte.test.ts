import { createHash, type KeyObject } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { admit } from '../../src/bundle/admission/admit.ts';
import { readControlFiles } from '../../src/bundle/bundle-files.ts';
import { type AdmittedNotice, admitNotice } from '../../src/bundle/notice/admit-notice.ts';
import { StowageError } from '../../src/core/error.ts';
import { readChecksums } from '../../src/format/checksums.ts';
import type * as file from '../../src/io/file.ts';
import type * as algorithm from '../../src/trust/algorithm.ts';
import type * as certificate from '../../src/trust/certificate.ts';
import type * as cmsVerify from '../../src/trust/cms-verify.ts';
import type * as policy from '../../src/trust/policy.ts';
import { codesFor, decidingFiles, flipped, verdictOn } from '../attacks/flipped-byte.ts';
import { type SignedBundle, signedBundle } from '../attacks/signed-bundle.ts';
import { context, packedAt } from '../support/context.ts';
import { scratchFolder } from '../support/scratch.ts';
import {
  advisoryOf,
  noticeAuthority,
  promotionOf,
  recallOf,
  smallNotice,
} from '../support/small-notice.ts';

// Tens of thousands of bundles differ in one byte each. To save time, positive verdicts are cached by trust document,
// role, content and files; refusals are always computed. `sampled-bytes.test.ts` runs a sample without this cache.
vi.mock('../../src/trust/policy.ts', async (original) => {
  const real = await original<typeof policy>();
  const verdicts = new Map<string, ReturnType<typeof policy.evaluateSignatures>>();
  const evaluateSignatures: typeof policy.evaluateSignatures = (trust, role, signed, at) => {
    const { content, signatures } = signed;
    const files = signatures.map((file) => file.bytes);
    const asked = digest(JSON.stringify([trust, role, at]), content, ...files);
    const known = verdicts.get(asked) ?? real.evaluateSignatures(trust, role, signed, at);
    verdicts.set(asked, known);
    return known;
  };
  return { ...real, evaluateSignatures };
});
vi.mock('../../src/trust/cms-verify.ts', async (original) => {
  const real = await original<typeof cmsVerify>();
  const answers = new Map<string, ReturnType<typeof cmsVerify.verifyDetached>>();
  const verifyDetached: typeof cmsVerify.verifyDetached = (cms, content, allowed) => {
    const asked = digest([...allowed].join(), content, cms);
    const known = answers.get(asked) ?? real.verifyDetached(cms, content, allowed);
    answers.set(asked, known);
    return known;
  };
  return { ...real, verifyDetached };
});

vi.mock('../../src/trust/algorithm.ts', async (original) => {
  const real = await original<typeof algorithm>();
  const answers = new WeakMap<KeyObject, Map<string, boolean>>();
  const verifyWith: typeof algorithm.verifyWith = (name, key, message, signature) => {
    const own = answers.get(key) ?? new Map<string, boolean>();
    answers.set(key, own);
    const asked = digest(name, message, signature);
    const known = own.get(asked) ?? real.verifyWith(name, key, message, signature);
    own.set(asked, known);
    return known;
  };
  return { ...real, verifyWith };
});
vi.mock('../../src/trust/certificate.ts', async (original) => {
  const real = await original<typeof certificate>();
  const parsed = new Map<string, certificate.Certificate>();
  const parseCertificate: typeof certificate.parseCertificate = (bytes) => {
    const asked = digest(bytes);
    const known = parsed.get(asked) ?? real.parseCertificate(bytes);
    parsed.set(asked, known);
    return known;
  };
  return { ...real, parseCertificate };
});

// The bytes that are read from the medium, with a test's changes.
const media = vi.hoisted(() => new Map<string, Buffer>());
vi.mock('../../src/io/file.ts', async (original) => {
  const real = await original<typeof file>();
  const readBounded: typeof file.readBounded = async (path, maxBytes) => {
    const bytes = media.get(path) ?? (await real.readBounded(path, maxBytes));
    media.set(path, bytes);
    return bytes;
  };
  return { ...real, readBounded };
});

function digest(...pieces: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(`${piece.length}|`).update(piece);
  return hash.digest('base64');
}

const scratch = scratchFolder(true);
let bundle: SignedBundle;

beforeAll(async () => {
  bundle = await signedBundle({
    place: scratch.fresh(),
    algorithms: ['ecdsa-p384-sha384', 'rsa-pss-sha384', 'ml-dsa-87'],
    chain: true,
  });
});

/** Flips one bit of each byte of a file in turn, and counts the verdicts. */
async function flipEveryByte(file: string): Promise<Map<string, number>> {
  const path = join(bundle.folder, file);
  const bytes = readFileSync(path);
  const verdicts = new Map<string, number>();
  for (let at = 0; at < bytes.length; at += 1) {
    media.set(path, flipped(bytes, at));
    const given = await verdictOn(bundle);
    verdicts.set(given, (verdicts.get(given) ?? 0) + 1);
  }
  media.set(path, bytes);
  return verdicts;
}

describe('when any byte that the verdict depends on is flipped (attack 3)', () => {
  it('is admitted when unchanged', async () => {
    expect(await verdictOn(bundle)).toBe('admitted');
    expect(decidingFiles(bundle.folder)).toHaveLength(2 + 3 + 2 + 3);
  });

  it('refuses the bundle, for each byte of SHA512SUMS, bundle.json, signatures and trust documents', async () => {
    const began = performance.now();
    let flips = 0;
    for (const file of decidingFiles(bundle.folder)) {
      const verdicts = await flipEveryByte(file);
      const count = [...verdicts.values()].reduce((sum, each) => sum + each, 0);
      const { length } = readFileSync(join(bundle.folder, file));
      expect(count, file).toBe(length);
      const others = [...verdicts.keys()].filter((code) => !codesFor(file).includes(code));
      expect(others, file).toEqual([]);
      flips += count;
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.info(`${flips} bytes flipped in ${seconds} s, none admitted`);
    expect(await verdictOn(bundle)).toBe('admitted');
  });
});

describe('when any byte of the control files of an increment is flipped (attacks 3 and 147)', () => {
  it('imports nothing, for each byte of each file that is not a part', async () => {
    const { folder: place, trust } = await signedBundle({
      ...{ place: scratch.fresh(), chain: true },
    });
    for (const each of readdirSync(join(place, 'blobs/sha256')))
      rmSync(join(place, 'blobs/sha256', each));
    const files = readdirSync(place, { recursive: true, withFileTypes: true })
      .filter((each) => each.isFile())
      .map((each) => join(each.parentPath, each.name).slice(place.length + 1));
    const take = (): Promise<unknown> =>
      admit(place, { ...context({ now: () => packedAt }), trust, partial: true });
    await take();
    const checksums = readChecksums(readFileSync(join(place, 'SHA512SUMS')));
    const deciding = decidingFiles(place);
    let flips = 0;
    for (const file of files) {
      const path = join(place, file);
      const bytes = readFileSync(path);
      for (let at = 0; at < bytes.length; at += 1) {
        media.set(path, flipped(bytes, at));
        // What decides nothing is read last, by this function; its first byte shows that the verdict heeds it.
        const alone = !deciding.includes(file) && at > 0;
        const code = alone
          ? (await readControlFiles(place, [file], checksums)).faults.get(file)?.code
          : await take().then(
              () => 'admitted',
              (error: unknown) => (error instanceof StowageError ? error.code : 'no refusal'),
            );
        if (alone || file === 'bundle.json')
          expect(code, `byte ${at} of ${file}`).toBe('part-damaged');
        else expect(['admitted', 'no refusal'], `byte ${at} of ${file}`).not.toContain(code);
        flips += 1;
      }
      media.set(path, bytes);
    }
    console.info(`${flips} bytes of an increment of ${files.length} files flipped, none admitted`);
    await take();
  });
});

describe('when any byte of a notice is flipped (attacks 3 and 149)', () => {
  it('refuses the notice, for each byte of each of its files', async () => {
    const authority = noticeAuthority();
    const { trust, approver } = authority;
    trust.issue({ trust: { ...trust.pinned, version: 2 } });
    const folder = scratch.fresh('notice');
    const { files } = await smallNotice({
      ...{ authority, folder, chain: trust.links },
      documents: [recallOf(), promotionOf({}, approver.signer), advisoryOf()],
    });
    const admit = (): Promise<AdmittedNotice> =>
      admitNotice(folder, { ...context({ now: () => packedAt }), trust: trust.pinned });
    await admit();
    let flips = 0;
    for (const [file, bytes] of files) {
      const path = join(folder, file);
      for (let at = 0; at < bytes.length; at += 1) {
        media.set(path, flipped(bytes, at));
        const code = await admit().then(
          () => 'admitted',
          (error: unknown) => (error instanceof StowageError ? error.code : 'no refusal'),
        );
        expect(['admitted', 'no refusal'], `byte ${at} of ${file}`).not.toContain(code);
        flips += 1;
      }
      media.set(path, bytes);
    }
    console.info(`${flips} bytes of a notice of ${files.size} files flipped, none admitted`);
    await admit();
  });
});
