// Makes bundles that every later version must judge as this one does, each with what a site would have pinned and the
// verdict that is due. They are kept: a folder that is there already is never touched. The private keys are not kept.
// `v1` and `v3` are versions of `bundle.json`; the bundles of `v3` are made by the built program with the lab's Helm.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
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
import { clientPrograms } from '../test/lab/kubernetes/clients.ts';
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

/** The files of the release with a chart and objects. */
const rendered: Readonly<Record<string, string>> = {
  'gear.yaml': `apiVersion: stowage/v1
name: gear
version: 1.0.0
platforms: [linux/amd64]
cluster: { kubeVersion: 1.34.0, podSecurity: baseline }
parameters:
  host: { type: string, default: plant.example, description: the name of the plant }
charts:
  - { name: small, source: ./chart, values: { host: "\${parameters.host}" } }
objects:
  - { name: things, source: ./things.yaml, adopt: true }
`,
  'things.yaml': `apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { host: "\${parameters.host}", where: "\${release.namespace}" }
`,
  'chart/Chart.yaml': 'apiVersion: v2\nname: small\nversion: 0.1.0\n',
  'chart/values.yaml': 'host: nobody.example\n',
  'chart/templates/all.yaml': `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: reader, annotations: { host: "{{ .Values.host }}" } }
rules: [{ apiGroups: [""], resources: [pods], verbs: [get] }]
---
apiVersion: batch/v1
kind: Job
metadata: { name: prepare, annotations: { helm.sh/hook: pre-install, helm.sh/hook-weight: "2" } }
spec:
  template:
    spec:
      restartPolicy: Never
      containers: []
`,
};

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

const corpus = fileURLToPath(new URL('../test/corpus/', import.meta.url));
for (const [name, each] of Object.entries(cases))
  await unlessKept(`v1/${name}`, (place) => make(place, each));
await unlessKept('v3/charts-and-objects', (place) => makeRendered(place));
await unlessKept('v3/objects-changed', (place) => makeRendered(place, changeObjects));

async function unlessKept(name: string, work: (place: string) => Promise<void>): Promise<void> {
  const place = join(corpus, name);
  const kept = existsSync(place);
  if (!kept) await work(place);
  console.log(`${name}: ${kept ? 'kept' : 'made'}`);
}

/** A release with a chart and objects, locked, packed and signed as a person does it. */
async function makeRendered(place: string, spoil?: (folder: string) => void): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'stowage-corpus-'));
  const env = {
    ...process.env,
    PATH: `${await clientPrograms()}:${process.env['PATH']}`,
    STOWAGE_STORE: join(work, 'store'),
  };
  const program = fileURLToPath(new URL('../dist/main.js', import.meta.url));
  const run = (...words: readonly string[]): void =>
    void execFileSync(process.execPath, [program, ...words], { cwd: work, env, stdio: 'inherit' });
  try {
    mkdirSync(join(work, 'chart/templates'), { recursive: true });
    for (const [name, text] of Object.entries(rendered)) writeFileSync(join(work, name), text);
    run('pki', 'pki');
    run('lock', 'gear.yaml');
    run('pack', 'gear.yaml', '--no-installer', '--output', 'bundle');
    run('sign', 'bundle', '--key', 'pki/release.key.pem', '--certificate', 'pki/release.pem');
    spoil?.(join(work, 'bundle'));
    mkdirSync(place, { recursive: true });
    cpSync(join(work, 'bundle'), join(place, 'bundle'), { recursive: true });
    cpSync(join(work, 'pki/root.pem'), join(place, 'root.pem'));
    const id = createHash('sha512').update(readFileSync(join(place, 'bundle/SHA512SUMS')));
    const verdict =
      spoil === undefined
        ? { verdict: 'accepted', id: id.digest('hex') }
        : { verdict: 'part-damaged' };
    const is = spoil === undefined ? 'with a chart and objects' : 'with another object';
    const expected = { is, ...verdict, at: new Date().toISOString(), by: PRODUCT_VERSION };
    writeFileSync(join(place, 'expect.json'), `${JSON.stringify(expected, null, 2)}\n`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function changeObjects(folder: string): void {
  const blobs = join(folder, 'blobs', 'sha256');
  for (const name of readdirSync(blobs)) {
    const text = readFileSync(join(blobs, name), 'latin1');
    const other = text.replace('"name":"settings"', '"name":"settinga"');
    if (text.includes('stowage/objects/v1')) writeFileSync(join(blobs, name), other, 'latin1');
  }
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
