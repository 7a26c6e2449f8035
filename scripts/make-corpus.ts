// Makes bundles that every later version must judge as this one does, each with what a site would have pinned and the
// verdict that is due. They are kept: a folder that is there already is never touched. The private keys are not kept.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ErrorCode } from '../src/core/error.ts';
import { PRODUCT_VERSION } from '../src/core/product.ts';
import { writeCanonical } from '../src/format/document.ts';
import { trustKind } from '../src/format/trust.ts';
import { encodePem } from '../src/trust/pem.ts';
import {
  type SignedBundle,
  type SignedBundleOptions,
  signedBundle,
} from '../test/attacks/signed-bundle.ts';
import { packedAt } from '../test/support/context.ts';

interface Case {
  readonly is: string;
  readonly options: Omit<SignedBundleOptions, 'place'>;
  /** Absent: `trust.json`. */
  readonly pin?: 'root.pem';
  /** Spoils the bundle; a case that does is refused with the code. */
  readonly spoil?: (folder: string) => void;
  readonly code?: ErrorCode;
}

const both = ['ecdsa-p384-sha384', 'ml-dsa-87'] as const;
const recalls = [{ release: 'chat', versions: '<=1.0.0', reason: 'it gives away its prompt' }];

const cases: Readonly<Record<string, Case>> = {
  p384: { is: 'signed by P-384, under a root certificate', options: {}, pin: 'root.pem' },
  'rsa-3072': {
    is: 'signed by RSA-3072, PKCS #1 and PSS',
    options: { algorithms: ['rsa-pkcs1-sha384', 'rsa-pss-sha384'], requiresAll: true },
  },
  'p384-and-ml-dsa-87': {
    is: 'signed by P-384 and ML-DSA-87, both of which are required',
    options: { algorithms: both, requiresAll: true },
  },
  'ml-dsa-87-taken-away': {
    is: 'without the signature by ML-DSA-87, which is required',
    options: { algorithms: both, requiresAll: true },
    spoil: (folder) => rmSync(join(folder, 'signatures', 'ml-dsa-87.p7s')),
    code: 'threshold-unmet',
  },
  'trust-1-to-3': { is: 'carrying trust documents 2 and 3', options: { chain: true } },
  'trust-2-taken-away': {
    is: 'carrying trust document 3 and not 2',
    options: { chain: true },
    spoil: (folder) => {
      for (const name of readdirSync(join(folder, 'trust')))
        if (name.startsWith('2.')) rmSync(join(folder, 'trust', name));
    },
    code: 'trust-conflict',
  },
  recall: {
    is: 'a recall that travels alone',
    options: { name: 'recalls', notice: true, recalls },
  },
  'one-byte-changed': {
    is: 'with one byte of what it installs changed',
    options: {},
    spoil: changeByte,
    code: 'part-damaged',
  },
};

const corpus = fileURLToPath(new URL('../test/corpus/v1', import.meta.url));
for (const [name, each] of Object.entries(cases)) {
  const place = join(corpus, name);
  const kept = existsSync(place);
  if (!kept) await make(place, each);
  console.log(`${name}: ${kept ? 'kept' : 'made'}`);
}

async function make(place: string, { is, options, pin, spoil, code }: Case): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'stowage-corpus-'));
  try {
    const made = await signedBundle({ place: work, platform: 'linux/amd64', ...options });
    spoil?.(made.folder);
    mkdirSync(place, { recursive: true });
    cpSync(made.folder, join(place, 'bundle'), { recursive: true });
    writeFileSync(join(place, pin ?? 'trust.json'), pinned(made, pin));
    const verdict = code === undefined ? { verdict: 'accepted', id: made.id } : { verdict: code };
    const expected = { is, ...verdict, at: packedAt.toISOString(), by: PRODUCT_VERSION };
    writeFileSync(join(place, 'expect.json'), `${JSON.stringify(expected, null, 2)}\n`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function pinned({ trust, authority }: SignedBundle, pin: Case['pin']): string | Buffer {
  if (pin === undefined) return writeCanonical(trustKind, trust);
  return encodePem('CERTIFICATE', authority.vendor.root.certificate.der);
}

function changeByte(folder: string): void {
  const blobs = join(folder, 'blobs', 'sha256');
  const path = join(blobs, readdirSync(blobs).toSorted()[0] ?? '');
  const bytes = readFileSync(path);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}
