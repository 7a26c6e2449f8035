import { execFileSync } from 'node:child_process';
import { createHash, type KeyObject } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalBytes, type Json } from '../../src/core/json.ts';
import { oids } from '../../src/trust/algorithm.ts';
import { oid, sequence } from '../../src/trust/der.ts';
import {
  certificatePem,
  certify,
  extension,
  type Holder,
  makePair,
  type Pair,
  signBytes,
  spkiOf,
} from '../build/upstream/publisher.ts';

/** Whom a certificate is for, and for how long. */
export interface Subject {
  readonly mail: string;
  readonly issuer: string;
  /** Default: a new pair's. */
  readonly publicKey?: KeyObject;
  readonly from: Date;
  readonly to: Date;
  /** Whether the CT log signs the certificate. Default true. */
  readonly logged?: boolean;
}

/** A log entry as a Sigstore bundle has it. */
export interface Entry {
  readonly logIndex: string;
  readonly logId: { readonly keyId: string };
  readonly kindVersion: { readonly kind: string; readonly version: string };
  readonly integratedTime: string;
  readonly inclusionPromise?: { readonly signedEntryTimestamp: string };
  readonly inclusionProof: {
    readonly logIndex: string;
    readonly rootHash: string;
    readonly treeSize: string;
    readonly hashes: readonly string[];
    readonly checkpoint: { readonly envelope: string };
  };
  readonly canonicalizedBody: string;
}

export interface Addresses {
  readonly rekor: string;
  readonly fulcio: string;
  readonly timestamps: string;
}

/** Valid on any day that a test may run. */
const VALID = { from: '2020-01-01T00:00:00Z', to: '2049-12-31T00:00:00Z' } as const;

/** What cosign calls by these names, without the addresses of anything. */
const NOWHERE: Addresses = {
  rekor: 'http://rekor.lab',
  fulcio: 'http://fulcio.lab',
  timestamps: 'http://tsa.lab/api/v1/timestamp',
};

/**
 * The keys of a Sigstore instance of one's own: a CA as Fulcio is, a CT log, a transparency log with a Merkle tree of
 * several entries (RFC 6962), and a timestamp authority, which is OpenSSL's and so has the time of the system.
 */
export class PrivateSigstore {
  readonly ca: Holder = certify({ ...VALID, name: 'Lab CA' });
  readonly ctLog: Pair = makePair();
  readonly log: Pair = makePair();
  readonly #timestampRoot = certify({ ...VALID, name: 'Lab Timestamps' });
  readonly #timestamper = certify({
    ...VALID,
    name: 'Lab Timestamper',
    issuer: this.#timestampRoot,
    purposes: null,
    more: [extension(oids.extendedKeyUsage, sequence(oid('1.3.6.1.5.5.7.3.8')), true)],
  });
  readonly #folder: string;
  readonly #leaves: Buffer[] = Array.from({ length: 5 }, (_, index) =>
    leafHash(Buffer.from([index])),
  );

  /** @param folder for the files of OpenSSL */
  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
    const key = this.#timestamper.privateKey.export({ type: 'pkcs8', format: 'pem' });
    writeFileSync(join(folder, 'tsa.key'), key);
    writeFileSync(join(folder, 'tsa.pem'), certificatePem(this.#timestamper));
    writeFileSync(
      join(folder, 'tsa.cnf'),
      [
        '[tsa]',
        `serial = ${join(folder, 'serial')}`,
        'signer_digest = sha256',
        'default_policy = 1.2.3.4.1',
        'digests = sha256, sha384, sha512',
        'ess_cert_id_alg = sha256',
      ].join('\n'),
    );
  }

  issue({ mail, issuer, publicKey, from, to, logged = true }: Subject): Holder {
    return certify({
      name: null,
      issuer: this.ca,
      mail,
      oidcIssuer: issuer,
      olderIssuer: issuer,
      from: from.toISOString(),
      to: to.toISOString(),
      ...(publicKey && { pair: { ...makePair(), publicKey } }),
      ...(logged && { ctLog: { key: this.ctLog, at: from } }),
    });
  }

  /** Adds an entry to the log. */
  record(body: Json, at: Date, host: string = new URL(NOWHERE.rekor).host): Entry {
    const bytes = canonicalBytes(body);
    const { kind, apiVersion } = body as { kind: string; apiVersion: string };
    const logId = createHash('sha256').update(spkiOf(this.log)).digest();
    const logIndex = this.#leaves.push(leafHash(bytes)) - 1;
    const integratedTime = Math.floor(at.getTime() / 1000);
    const promise = signBytes(
      this.log,
      canonicalBytes({
        body: bytes.toString('base64'),
        integratedTime,
        logIndex,
        logID: logId.toString('hex'),
      }),
    );
    const root = treeHash(this.#leaves);
    const note = `${host} - 4711\n${this.#leaves.length}\n${root.toString('base64')}\n`;
    const signature = Buffer.concat([
      logId.subarray(0, 4),
      signBytes(this.log, Buffer.from(note)),
    ]).toString('base64');
    return {
      logIndex: String(logIndex),
      logId: { keyId: logId.toString('base64') },
      kindVersion: { kind, version: apiVersion },
      integratedTime: String(integratedTime),
      inclusionPromise: { signedEntryTimestamp: promise.toString('base64') },
      inclusionProof: {
        logIndex: String(logIndex),
        rootHash: root.toString('base64'),
        treeSize: String(this.#leaves.length),
        hashes: pathTo(logIndex, this.#leaves).map((each) => each.toString('base64')),
        checkpoint: { envelope: `${note}\n\u2014 ${host} ${signature}\n` },
      },
      canonicalizedBody: bytes.toString('base64'),
    };
  }

  /** An RFC 3161 response over some bytes, now. */
  timestamp(bytes: Uint8Array): Buffer {
    const digest = createHash('sha256').update(bytes).digest('hex');
    const query = join(this.#folder, 'query.tsq');
    openssl('ts', '-query', '-digest', digest, '-sha256', '-cert', '-out', query);
    return this.answer(readFileSync(query));
  }

  /** Answers a TimeStampReq in DER. */
  answer(request: Uint8Array): Buffer {
    const [query, reply] = [join(this.#folder, 'request.tsq'), join(this.#folder, 'reply.tsr')];
    writeFileSync(query, request);
    const [config, signer, key] = ['tsa.cnf', 'tsa.pem', 'tsa.key'].map((name) =>
      join(this.#folder, name),
    ) as [string, string, string];
    const files = ['-queryfile', query, '-signer', signer, '-inkey', key, '-out', reply];
    openssl('ts', '-reply', '-config', config, '-section', 'tsa', ...files);
    return readFileSync(reply);
  }

  /** What `cosign trusted-root create` writes for these keys. */
  trustedRoot(addresses: Addresses = NOWHERE): Record<string, Json> {
    const validFor = { start: '2020-01-01T00:00:00Z' };
    const log = (baseUrl: string, key: Pair): Json => ({
      baseUrl,
      hashAlgorithm: 'SHA2_256',
      publicKey: {
        rawBytes: spkiOf(key).toString('base64'),
        keyDetails: 'PKIX_ECDSA_P256_SHA_256',
        validFor,
      },
      logId: { keyId: createHash('sha256').update(spkiOf(key)).digest('base64') },
    });
    const authority = (uri: string, ...chain: readonly Holder[]): Json => ({
      subject: { organization: 'Vendor', commonName: 'Lab' },
      uri,
      certChain: {
        certificates: chain.map((each) => ({ rawBytes: each.certificate.toString('base64') })),
      },
      validFor,
    });
    return {
      mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
      tlogs: [log(addresses.rekor, this.log)],
      certificateAuthorities: [authority(addresses.fulcio, this.ca)],
      ctlogs: [log('http://ctfe.lab', this.ctLog)],
      timestampAuthorities: [
        authority(addresses.timestamps, this.#timestamper, this.#timestampRoot),
      ],
    };
  }
}

/** The entry that Rekor makes of a DSSE envelope with one signature. */
export function dsseEntry(
  envelope: Buffer,
  payload: Buffer,
  signature: Buffer,
  signer: string,
): Json {
  return {
    apiVersion: '0.0.1',
    kind: 'dsse',
    spec: {
      envelopeHash: sha256Of(envelope),
      payloadHash: sha256Of(payload),
      signatures: [
        {
          signature: signature.toString('base64'),
          verifier: Buffer.from(signer).toString('base64'),
        },
      ],
    },
  };
}

function sha256Of(bytes: Buffer): Json {
  return { algorithm: 'sha256', value: createHash('sha256').update(bytes).digest('hex') };
}

function leafHash(bytes: Buffer): Buffer {
  return createHash('sha256')
    .update(Buffer.from([0]))
    .update(bytes)
    .digest();
}

/** RFC 6962 section 2.1: the root over hashes of leaves. */
function treeHash(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 1) return leaves[0] as Buffer;
  const half = splitOf(leaves.length);
  return createHash('sha256')
    .update(Buffer.from([1]))
    .update(treeHash(leaves.slice(0, half)))
    .update(treeHash(leaves.slice(half)))
    .digest();
}

/** RFC 6962 section 2.1.1: the audit path of one leaf. */
function pathTo(index: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length === 1) return [];
  const half = splitOf(leaves.length);
  const [left, right] = [leaves.slice(0, half), leaves.slice(half)];
  return index < half
    ? [...pathTo(index, left), treeHash(right)]
    : [...pathTo(index - half, right), treeHash(left)];
}

/** The largest power of two below `size`. */
function splitOf(size: number): number {
  return 2 ** Math.floor(Math.log2(size - 1));
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', [...args], { stdio: ['ignore', 'ignore', 'pipe'] });
}
