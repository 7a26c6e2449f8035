import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { codesFor, decidingFiles, flipped, verdictOn } from '../attacks/flipped-byte.ts';
import { type SignedBundle, signedBundle } from '../attacks/signed-bundle.ts';
import { scratchFolder } from '../support/scratch.ts';
import { randomOfTest } from '../support/seed.ts';

// `every-byte.test.ts` caches verdicts to cover all bytes. Here, nothing is cached or mocked.

const FLIPS = 40;
const scratch = scratchFolder(true);
let bundle: SignedBundle;

beforeAll(async () => {
  bundle = await signedBundle({
    place: scratch.fresh(),
    algorithms: ['ecdsa-p384-sha384', 'rsa-pss-sha384', 'ml-dsa-87'],
    chain: true,
  });
});

describe('when a byte of a file that the verdict depends on is flipped on the medium (attack 3)', () => {
  it(`refuses the bundle, for ${FLIPS} random bytes of each such file`, async () => {
    const random = randomOfTest();
    for (const file of decidingFiles(bundle.folder)) {
      const path = join(bundle.folder, file);
      const bytes = readFileSync(path);
      for (let flip = 0; flip < FLIPS; flip += 1) {
        const at = Math.floor(random() * bytes.length);
        writeFileSync(path, flipped(bytes, at));
        expect(codesFor(file), `byte ${at} of ${file}`).toContain(await verdictOn(bundle));
      }
      writeFileSync(path, bytes);
      expect(await verdictOn(bundle)).toBe('admitted');
    }
  });
});
