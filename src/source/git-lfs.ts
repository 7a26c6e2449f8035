import { type Digest, digestFromHex } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { type Fields, fieldsOf, textOf } from '../core/json.ts';
import { isLoopback, oneLine, pointsToLocal, redactUrl } from '../net/address.ts';
import type { Authorization, Http, HttpRequest } from '../net/http.ts';
import { malformed, parseRemote } from '../net/http-response.ts';
import { Secret } from '../net/secret.ts';
import { rangeOrigin } from './https.ts';
import type { Origin } from './origin.ts';

/** The pointer that a repository contains in place of a file in Git LFS. */
export interface LfsPointer {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/** Pointers are smaller than this, according to the specification. */
export const MAX_POINTER_BYTES = 1024;
const OBJECTS_AT_ONCE = 100;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const TYPE = 'application/vnd.git-lfs+json';

/** Reads a pointer (git-lfs, docs/spec.md); undefined for any other file. */
export function parsePointer(bytes: Buffer): LfsPointer | undefined {
  if (bytes.length >= MAX_POINTER_BYTES) return undefined;
  const text = bytes.toString('latin1');
  if (!/^version https:\/\/(?:git-lfs\.github\.com|hawser\.github\.com)\/spec\/v1\n/.test(text))
    return undefined;
  const oid = /^oid sha256:([0-9a-f]{64})$/m.exec(text)?.[1];
  const size = /^size (\d{1,15})$/m.exec(text)?.[1];
  if (oid === undefined || size === undefined) return undefined;
  return { digest: digestFromHex(oid), size: Number(size) };
}

/**
 * Requests the download URLs of objects from a repository's LFS server (git-lfs, docs/api/batch.md). Supports only the
 * transfer `basic`.
 * @param url of the repository
 * @param credentials what follows `Basic`
 * @throws StowageError `source-not-found` for an object that the server lacks, other `source-*`
 */
export async function lfsOrigins(
  url: string,
  objects: readonly LfsPointer[],
  {
    http,
    credentials,
    signal,
  }: { http: Http; credentials: Secret | undefined; signal: AbortSignal },
): Promise<ReadonlyMap<Digest, Origin>> {
  const base = url.endsWith('.git') ? url : `${url}.git`;
  const endpoint = new URL(`${base}/info/lfs/objects/batch`);
  const found = new Map<Digest, Origin>();
  for (let from = 0; from < objects.length; from += OBJECTS_AT_ONCE) {
    const some = objects.slice(from, from + OBJECTS_AT_ONCE);
    const request: HttpRequest = {
      what: `the LFS objects of ${redactUrl(new URL(url))}`,
      url: endpoint,
      method: 'POST',
      headers: { accept: TYPE, 'content-type': TYPE },
      ...(credentials && { authorization: { scheme: 'Basic', secret: credentials } }),
      json: {
        operation: 'download',
        transfers: ['basic'],
        objects: some.map(({ digest, size }) => ({ oid: digest.replace(/^sha256:/, ''), size })),
        hash_algo: 'sha256',
      },
    };
    const { bytes } = await http.read(request, MAX_ANSWER_BYTES, signal);
    const listed = fieldsOf(parseRemote(bytes, request))['objects'];
    const answers = new Map(
      (Array.isArray(listed) ? listed : []).map((each) => [fieldsOf(each)['oid'], fieldsOf(each)]),
    );
    for (const { digest } of some) {
      const answer = answers.get(digest.replace(/^sha256:/, '')) ?? {};
      found.set(digest, originOf(digest, answer, request, http));
    }
  }
  return found;
}

function originOf(digest: Digest, answer: Fields, asked: HttpRequest, http: Http): Origin {
  const download = fieldsOf(fieldsOf(answer['actions'])['download']);
  const href = textOf(download['href'], 16_384);
  if (href === undefined) {
    const { message } = fieldsOf(answer['error']);
    throw new StowageError('source-not-found', `${asked.what} lack one`, {
      expected: digest,
      found: oneLine(String(message ?? 'no download URL')),
      hint: 'ask the maintainers of the repository to push its LFS objects',
    });
  }
  const url = URL.parse(href);
  const plain = url?.protocol === 'http:' && isLoopback(url.hostname);
  if (
    url === null ||
    (url.protocol !== 'https:' && !plain) ||
    url.username !== '' ||
    pointsToLocal(url, asked.url)
  ) {
    throw malformed(asked, {
      expected: 'https addresses of objects on other machines',
      found: oneLine(url?.protocol ?? 'no address', 40),
    });
  }
  const request = { what: `LFS object ${digest}`, url };
  const authorization = authorizationOf(fieldsOf(download['header']));
  return rangeOrigin(
    request,
    (part, signal) =>
      http.request({ ...request, ...part, ...(authorization && { authorization }) }, signal),
    http.request,
  );
}

/** The Authorization header that the server requires for a download; it is not sent to redirect targets. */
function authorizationOf(header: Fields): Authorization | undefined {
  const name = Object.keys(header).find((each) => each.toLowerCase() === 'authorization');
  const text = name === undefined ? undefined : textOf(header[name], 16_384);
  const [, scheme, secret] = /^([A-Za-z][A-Za-z0-9-]*) ([\x21-\x7e]+)$/.exec(text ?? '') ?? [];
  if (scheme === undefined || secret === undefined) return undefined;
  return { scheme, secret: new Secret(secret) };
}
