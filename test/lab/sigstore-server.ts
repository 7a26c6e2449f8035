import { createPublicKey } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Json } from '../../src/core/json.ts';
import { certificatePem } from '../build/upstream/publisher.ts';
import { type Addresses, dsseEntry, type Entry, type PrivateSigstore } from './private-sigstore.ts';

/** Fulcio, Rekor and a timestamp authority on loopback, as far as cosign asks them. */
export interface SigstoreServer {
  readonly addresses: Addresses;
  stop(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
  /** Of a log entry: its name in the answer. */
  readonly etag?: string;
}

const MINUTE = 60_000;
/** In seconds: cosign's clock is not the one that a test shifts. */
const YEAR = 365 * 24 * 3600;

/** Serves the HTTP APIs of Fulcio (v2), Rekor (v1) and RFC 3161 for a Sigstore instance. */
export async function serveSigstore(sigstore: PrivateSigstore): Promise<SigstoreServer> {
  const server = createServer((request, response) => {
    const answered = bodyOf(request).then((body) => answer(sigstore, request, body));
    answered
      .catch((error: unknown) => ({ status: 500, type: 'text/plain', body: String(error) }))
      .then(({ status, type, body, etag }: Answer) => {
        response.writeHead(status, { 'content-type': type, ...(etag && { etag }) });
        response.end(body);
      });
  });
  await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const addresses = { rekor: url, fulcio: url, timestamps: `${url}/api/v1/timestamp` };
  return { addresses, stop: () => closed(server) };
}

/** A token as an OIDC issuer gives it, but signed by nobody: this Fulcio believes it. */
export function identityToken(mail: string, issuer: string): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: issuer, sub: mail, email: mail, email_verified: true, aud: 'sigstore' };
  return [{ alg: 'RS256', typ: 'JWT' }, { ...claims, iat: now, exp: now + YEAR }, 'x']
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
}

function answer(sigstore: PrivateSigstore, request: IncomingMessage, body: Buffer): Answer {
  const { method, url } = request;
  switch (`${method} ${url}`) {
    case 'POST /api/v2/signingCert':
      return json(
        200,
        certificateFor(sigstore, request.headers.authorization ?? '', JSON.parse(body.toString())),
      );
    case 'POST /api/v1/log/entries': {
      const proposed = JSON.parse(body.toString()) as Proposed;
      const host = request.headers.host ?? '';
      const entry = sigstore.record(bodyFor(proposed), new Date(), host);
      const etag = hexOf(entry.inclusionProof.rootHash);
      return { ...json(201, { [etag]: logged(entry) }), etag };
    }
    case 'POST /api/v1/timestamp':
      return { status: 200, type: 'application/timestamp-reply', body: sigstore.answer(body) };
    default:
      return { status: 404, type: 'text/plain', body: `${method} ${url}` };
  }
}

interface CertificateRequest {
  readonly publicKeyRequest: { readonly publicKey: { readonly content: string } };
}

/** @param token of the OIDC issuer */
function certificateFor(
  sigstore: PrivateSigstore,
  token: string,
  request: CertificateRequest,
): Json {
  const [, claims = ''] = token.split('.');
  const { email, iss } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as {
    readonly email: string;
    readonly iss: string;
  };
  const publicKey = createPublicKey(request.publicKeyRequest.publicKey.content);
  const leaf = sigstore.issue({
    mail: email,
    issuer: iss,
    publicKey,
    from: new Date(Date.now() - MINUTE),
    to: new Date(Date.now() + 9 * MINUTE),
  });
  const certificates = [leaf, sigstore.ca].map((each) => certificatePem(each));
  return { signedCertificateEmbeddedSct: { chain: { certificates } } };
}

interface Proposed {
  readonly kind: string;
  readonly apiVersion: string;
  readonly spec: {
    readonly proposedContent?: { readonly envelope: string; readonly verifiers: readonly string[] };
  };
}

/** Rekor keeps hashes of an envelope, and a hashedrekord as it is. */
function bodyFor(proposed: Proposed): Json {
  const { proposedContent } = proposed.spec;
  if (proposedContent === undefined) return proposed as unknown as Json;
  const { payload, signatures } = JSON.parse(proposedContent.envelope) as {
    readonly payload: string;
    readonly signatures: readonly { readonly sig: string }[];
  };
  return dsseEntry(
    Buffer.from(proposedContent.envelope),
    Buffer.from(payload, 'base64'),
    Buffer.from(signatures[0]?.sig ?? '', 'base64'),
    Buffer.from(proposedContent.verifiers[0] ?? '', 'base64').toString(),
  );
}

/** An entry as Rekor's own API has it. */
function logged(entry: Entry): Json {
  const { inclusionProof: proof } = entry;
  return {
    body: entry.canonicalizedBody,
    integratedTime: Number(entry.integratedTime),
    logID: hexOf(entry.logId.keyId),
    logIndex: Number(entry.logIndex),
    verification: {
      inclusionProof: {
        checkpoint: proof.checkpoint.envelope,
        hashes: proof.hashes.map(hexOf),
        logIndex: Number(proof.logIndex),
        rootHash: hexOf(proof.rootHash),
        treeSize: Number(proof.treeSize),
      },
      signedEntryTimestamp: entry.inclusionPromise?.signedEntryTimestamp ?? '',
    },
  };
}

function hexOf(base64: string): string {
  return Buffer.from(base64, 'base64').toString('hex');
}

function json(status: number, value: Json): Answer {
  return { status, type: 'application/json', body: JSON.stringify(value) };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((settle) => server.close(settle));
}
