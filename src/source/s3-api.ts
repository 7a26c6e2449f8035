import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { StowageError } from '../core/error.ts';
import { quoted } from '../core/text.ts';
import type { Authorization, HttpRefusal, HttpRequest } from '../net/http.ts';
import { Secret } from '../net/secret.ts';
import { s3Refusal } from './s3-refusal.ts';
import type { S3Settings } from './s3-settings.ts';

/** What a request asks of a bucket. */
export interface S3Request {
  readonly method: 'GET' | 'HEAD';
  readonly bucket: string;
  /** Empty for the bucket itself. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** In messages. */
  readonly what: string;
}

/** The hash of an empty body, which every request here has. */
const EMPTY = createHash('sha256').digest('hex');

/** A request with its signature (AWS Signature Version 4), which is valid for 15 minutes and for this address only. */
export async function signedRequest(
  request: S3Request,
  settings: S3Settings,
): Promise<HttpRequest & { readonly method: 'GET' | 'HEAD' }> {
  const { method, bucket, query = {}, what } = request;
  const url = addressOf(request, settings);
  const { credentials } = settings;
  const asked = {
    ...{ what, url, method, redirects: 'refused' as const },
    explain: (refusal: HttpRefusal) =>
      s3Refusal(refusal, { bucket, what, url, hasCredentials: credentials !== undefined }),
  };
  const headers = { ...request.headers };
  if (credentials === undefined) return { ...asked, headers };
  // Loaded on first use, so that commands without S3 start faster.
  const { SignatureV4 } = await import('./s3-signature.ts');
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const signer = new SignatureV4({
    ...{ service: 's3', region: settings.region, uriEscapePath: false, sha256: Sha256 },
    credentials: {
      ...{ accessKeyId, secretAccessKey: secretAccessKey.reveal() },
      ...(sessionToken === undefined ? {} : { sessionToken: sessionToken.reveal() }),
    },
  });
  const signed = await signer.sign({
    ...{ method, protocol: url.protocol, hostname: url.hostname, path: url.pathname, query },
    headers: { ...headers, host: url.host, 'x-amz-content-sha256': EMPTY },
  });
  const { authorization = '', host: _, ...rest } = signed.headers;
  return { ...asked, headers: rest, authorization: parsed(authorization) };
}

function parsed(header: string): Authorization {
  const space = header.indexOf(' ');
  return { scheme: header.slice(0, space), secret: new Secret(header.slice(space + 1)) };
}

/** Escaped as the signature wants it: everything but unreserved characters (RFC 3986), and the slashes of the key. */
function addressOf({ bucket, key, query = {} }: S3Request, settings: S3Settings): URL {
  // A URL would normalize these segments, and the request would be for another object.
  if (key.split('/').some((each) => each === '.' || each === '..'))
    throw new StowageError('path-unsafe', `unsafe key ${quoted(key.slice(0, 160))}`, {
      expected: 'a key without "." and ".." between its slashes',
      hint: 'rename the object, or choose a prefix without it',
    });
  const url = new URL(settings.endpoint);
  if (!settings.pathStyle) url.host = `${bucket}.${url.host}`;
  const root = url.pathname.replace(/\/+$/, '');
  const inBucket = key.split('/').map(escaped).join('/');
  url.pathname = settings.pathStyle ? `${root}/${bucket}/${inBucket}` : `${root}/${inBucket}`;
  url.search = Object.entries(query)
    .map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
    .join('&');
  return url;
}

function escaped(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Node's hashes, as the signer wants them. */
class Sha256 {
  readonly #hash: Hash | Hmac;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash =
      secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret));
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data));
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }

  reset(): void {
    throw new Error('a hash is used once');
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof data === 'string') return Buffer.from(data);
  return ArrayBuffer.isView(data)
    ? Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    : Buffer.from(data);
}
