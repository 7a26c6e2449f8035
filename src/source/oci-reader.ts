import { createHash } from 'node:crypto';
import { type Digest, digestFromHex, isDigest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_OCI_MANIFEST_BYTES } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import type { LockedBlob } from '../format/locked-content.ts';
import type { Http, HttpRefusal, HttpRequest } from '../net/http.ts';
import { type Asked, malformed, nextPage } from '../net/http-response.ts';
import type { Place } from '../net/registry-auth.ts';
import type { RegistryClient } from '../net/registry-client.ts';
import { rangeOrigin } from './https.ts';
import { acceptManifests } from './oci-manifest.ts';
import type { Origin } from './origin.ts';
import { repositoryName } from './reference.ts';

/** A manifest or an index, with its exact, verified bytes. */
export interface FetchedManifest {
  readonly bytes: Buffer;
  readonly digest: Digest;
  /** The Content-Type header, without parameters. */
  readonly contentType: string;
  /** The request, for error messages. */
  readonly asked: Asked;
}

/** Reads a registry (distribution specification 1.1) and verifies digests. */
export interface Reader {
  /** @throws StowageError `source-not-found`, `source-mismatch`, other `source-*` */
  manifest(place: Place, name: string | Digest, signal: AbortSignal): Promise<FetchedManifest>;
  /** A whole blob of at most 4 MiB. @throws StowageError `source-mismatch`, other `source-*` */
  small(place: Place, blob: LockedBlob, signal: AbortSignal): Promise<Buffer>;
  /**
   * The pages of the list of referrers of a manifest; the first is undefined if the registry has no referrers API.
   */
  referrers(
    place: Place,
    digest: Digest,
    signal: AbortSignal,
  ): AsyncIterable<Pick<FetchedManifest, 'bytes' | 'asked'> | undefined>;
  blob(place: Place, digest: Digest): Origin;
}

/** Pages of a referrers list. */
const MAX_PAGES = 64;
const INDEX = 'application/vnd.oci.image.index.v1+json';

export function createReader(http: Http, client: RegistryClient): Reader {
  return {
    manifest: async (place, name, signal) => {
      const separator = isDigest(name) ? '@' : ':';
      const url = await client.url(place, `manifests/${name}`, signal);
      const request: HttpRequest = {
        what: `${repositoryName(place)}${separator}${name}`,
        url,
        headers: { accept: acceptManifests },
        explain: (refusal) =>
          notFound(refusal, { ...place, plain: url.protocol === 'http:' }, name),
      };
      const { bytes, headers } = await client.send(request, place, signal, (each) =>
        http.read(each, MAX_OCI_MANIFEST_BYTES, signal),
      );
      const digest = digestOf(bytes);
      for (const named of [name, headers.get('docker-content-digest') ?? '']) {
        if (isDigest(named) && named !== digest) throw mismatch(request, named, digest);
      }
      const contentType = headers.get('content-type')?.split(';', 1)[0]?.trim() ?? '';
      return { bytes, digest, contentType, asked: request };
    },
    small: async (place, { digest, size }, signal) => {
      const request = await blobRequest(client, place, digest, signal);
      if (size > MAX_OCI_MANIFEST_BYTES) {
        throw malformed(request, {
          expected: `at most ${MAX_OCI_MANIFEST_BYTES} bytes`,
          found: counted(size, 'byte'),
        });
      }
      const { bytes } = await client.send(request, place, signal, (each) =>
        http.read(each, size, signal),
      );
      const found = digestOf(bytes);
      if (found !== digest) throw mismatch(request, digest, found);
      return bytes;
    },
    referrers: async function* (place, digest, signal) {
      const first = await client.url(place, `referrers/${digest}`, signal);
      let pages = 0;
      for (let url: URL | undefined = first; url !== undefined; ) {
        const request: HttpRequest = {
          what: `the referrers of ${repositoryName(place)}@${digest}`,
          url,
          headers: { accept: INDEX },
          allow: url === first ? [400, 404, 405] : [],
        };
        const { bytes, status, headers } = await client.send(request, place, signal, (each) =>
          http.read(each, MAX_OCI_MANIFEST_BYTES, signal),
        );
        const type = headers.get('content-type')?.split(';', 1)[0]?.trim();
        // A registry without the referrers API may answer with an HTML page.
        if (url === first && !(status === 200 && type === INDEX)) return yield undefined;
        yield { bytes, asked: request };
        pages += 1;
        if (pages > MAX_PAGES)
          throw malformed(request, { expected: `at most ${MAX_PAGES} pages`, found: 'more' });
        url = nextPage(url, headers.get('link'), request, { sameHost: true });
      }
    },
    blob: (place, digest) =>
      rangeOrigin(
        blobAsked(place, digest),
        async (part, signal) => {
          const request = { ...(await blobRequest(client, place, digest, signal)), ...part };
          return client.send(request, place, signal, (each) => http.request(each, signal));
        },
        http.request,
      ),
  };
}

function blobAsked(place: Place, digest: Digest): Asked {
  const { registry, repository } = place;
  return {
    what: `${repositoryName(place)}@${digest}`,
    url: new URL(`https://${registry}/v2/${repository}/blobs/${digest}`),
  };
}

async function blobRequest(
  client: RegistryClient,
  place: Place,
  digest: Digest,
  signal: AbortSignal,
): Promise<HttpRequest> {
  return {
    what: blobAsked(place, digest).what,
    url: await client.url(place, `blobs/${digest}`, signal),
    explain: (refusal) => notFound(refusal, place, digest),
  };
}

function digestOf(bytes: Uint8Array): Digest {
  return digestFromHex(createHash('sha256').update(bytes).digest('hex'));
}

function notFound(
  { status, said }: HttpRefusal,
  place: Place & { readonly plain?: boolean },
  name: string,
): StowageError | undefined {
  if (status !== 404) return undefined;
  const repository = repositoryName(place);
  if (said.includes('NAME_UNKNOWN')) {
    return new StowageError('source-not-found', `${place.registry} has no ${place.repository}`, {
      expected: `the repository ${repository}`,
      found: 'status 404: NAME_UNKNOWN',
      hint: 'check the spelling of the repository in the manifest',
    });
  }
  const what = isDigest(name) ? name : `tag ${name}`;
  return new StowageError('source-not-found', `${what} was not found in ${repository}`, {
    expected: what,
    found: 'status 404',
    hint: isDigest(name)
      ? 'check the spelling of the repository and of the digest; the publisher may have deleted it'
      : `check the spelling of the repository and of the tag; skopeo list-tags ${place.plain === true ? '--tls-verify=false ' : ''}docker://${repository} lists the tags`,
  });
}

function mismatch({ what }: Asked, expected: Digest, found: Digest): StowageError {
  return new StowageError('source-mismatch', `the content of ${what} does not match its digest`, {
    expected,
    found,
    hint: 'run the same command again; if the problem persists, contact the operator of the registry or proxy',
  });
}
