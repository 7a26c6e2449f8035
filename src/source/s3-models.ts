import { createHash } from 'node:crypto';
import { type Digest, digestFromHex } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { isS3Source } from '../format/source.ts';
import { forEachBounded } from '../io/queue.ts';
import type { Http } from '../net/http.ts';
import { malformed } from '../net/http-response.ts';
import { rangeOrigin } from './https.ts';
import type { FileState, FoundFile, ModelSourceKind, Origin } from './origin.ts';
import { signedRequest } from './s3-api.ts';
import { listObjects, type S3Place } from './s3-listing.ts';
import type { S3Settings } from './s3-settings.ts';

const REQUESTS_AT_ONCE = 8;

/** A store, whose settings are read on first use. */
export interface S3Client {
  readonly http: Http;
  readonly s3: () => Promise<S3Settings>;
}

/** An object as its store describes it. */
interface ObjectHead {
  readonly size: number;
  readonly etag: string;
  /** In a bucket with versions. */
  readonly version?: string;
  /** SHA-256 of the whole object, if the store recorded it when the object was written. */
  readonly digest?: Digest;
}

/** Models in S3-compatible stores: every object below a prefix. */
export function s3Models({ http, s3 }: S3Client): ModelSourceKind {
  return {
    reads: isS3Source,
    resolve: async ({ source }, signal) => {
      const settings = await s3();
      const place = placeOf(source);
      const listed = await listObjects(place, { http, settings }, signal);
      if (listed.length === 0) throw nothingIn(place, settings);
      const files: FoundFile[] = [];
      await forEachBounded(listed, REQUESTS_AT_ONCE, async ({ key, size }) => {
        const head = await headOf({ ...place, key }, { http, settings }, signal);
        if (head.size !== size) throw changed(place, key);
        const { digest, version } = head;
        files.push({
          ...{ path: key.slice(place.prefix.length), size, state: stateOf(place, key, head) },
          ...(digest === undefined ? {} : { digest }),
          ...(version === undefined ? {} : { version }),
        });
      });
      return { origin: { kind: 's3', uri: source }, gated: false, tags: [], files };
    },
    file: async ({ source }, { path, state, version }) => {
      const settings = await s3();
      const place = placeOf(source);
      const key = `${place.prefix}${path}`;
      return objectOrigin({ ...place, key, version, state }, { http, settings });
    },
  };
}

interface Wanted extends S3Place {
  readonly key: string;
  readonly version?: string | undefined;
  /** Of the object when it was listed. */
  readonly state?: FileState | undefined;
}

interface Client {
  readonly http: Http;
  readonly settings: S3Settings;
}

/** The bytes of an object. All ranges of it are of one version, as `If-Match` asks. */
function objectOrigin(wanted: Wanted, client: Client): Origin {
  const { bucket, key, version, state } = wanted;
  const what = nameOf(wanted, key);
  const query = version === undefined ? {} : { versionId: version };
  let pinned: Promise<string> | undefined;
  const etagOf = async (signal: AbortSignal): Promise<string> => {
    const head = await headOf(wanted, client, signal);
    if (state !== undefined && stateOf(wanted, key, head).key !== state.key)
      throw changed(wanted, key);
    return head.etag;
  };
  const url = new URL(client.settings.endpoint);
  return rangeOrigin({ what, url }, async ({ headers, allow }, signal) => {
    pinned ??= etagOf(signal);
    const etag = await pinned.catch((error: unknown) => {
      pinned = undefined;
      throw error;
    });
    const asked = { method: 'GET' as const, bucket, key, query, what };
    const request = await signedRequest(
      { ...asked, headers: { ...headers, 'if-match': etag } },
      client.settings,
    );
    return client.http.request({ ...request, allow }, signal);
  });
}

async function headOf(
  wanted: Pick<Wanted, 'bucket' | 'prefix' | 'key' | 'version'>,
  { http, settings }: Client,
  signal: AbortSignal,
): Promise<ObjectHead> {
  const { bucket, key, version } = wanted;
  const asked = {
    ...{ method: 'HEAD' as const, bucket, key, what: nameOf(wanted, key) },
    query: version === undefined ? {} : { versionId: version },
    headers: { 'x-amz-checksum-mode': 'ENABLED' },
  };
  const request = await signedRequest(asked, settings);
  const { headers } = await http.request(request, signal);
  const length = headers.get('content-length') ?? '';
  const etag = headers.get('etag') ?? '';
  if (!/^\d{1,15}$/.test(length) || !/^"[\x21\x23-\x7e]{1,128}"$/.test(etag))
    throw malformed(request, { expected: 'its size and its ETag', found: 'none' });
  const digest = digestIn(headers.get('x-amz-checksum-sha256'));
  const told = headers.get('x-amz-version-id') ?? 'null';
  return {
    ...{ size: Number(length), etag },
    ...(digest === undefined ? {} : { digest }),
    ...(/^[\w.-]{1,1024}$/.test(told) && told !== 'null' ? { version: told } : {}),
  };
}

/** A sum of sums, which ends in a dash and the number of parts, is not the SHA-256 of the object. */
function digestIn(checksum: string | null): Digest | undefined {
  if (checksum === null || !/^[A-Za-z0-9+/]{43}=$/.test(checksum)) return undefined;
  return digestFromHex(Buffer.from(checksum, 'base64').toString('hex'));
}

/** An ETag is the MD5 of some objects only, and is never compared with the bytes: it tells whether an object is the same. */
function stateOf({ bucket }: S3Place, key: string, { etag, size, version }: ObjectHead): FileState {
  const identity = JSON.stringify(['s3', bucket, key, etag, size, version ?? null]);
  return { key: createHash('sha256').update(identity).digest('hex'), settled: true };
}

function placeOf(source: string): S3Place {
  const [, bucket = '', path = ''] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(source) ?? [];
  const prefix = path.replace(/\/+$/, '');
  return { bucket, prefix: prefix === '' ? '' : `${prefix}/` };
}

function nameOf({ bucket }: Pick<S3Place, 'bucket'>, key: string): string {
  return `s3://${bucket}/${key}`;
}

function nothingIn({ bucket, prefix }: S3Place, { endpoint }: S3Settings): StowageError {
  return new StowageError('source-not-found', `nothing in s3://${bucket}/${prefix}`, {
    expected: `the objects of a model below this prefix at ${endpoint}`,
    found: 'an empty listing',
    hint: 'write the folder of the model as the source; choose single files of it with include',
  });
}

function changed(place: S3Place, key: string): StowageError {
  return new StowageError('source-mismatch', `${nameOf(place, key)} changed while it was read`, {
    expected: 'the object that was listed',
    found: 'another one',
    hint: 'run the same command again when nobody writes to the bucket',
  });
}
