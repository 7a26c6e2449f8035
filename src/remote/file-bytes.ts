import { release } from '../net/buffer-pool.ts';
import type { Http, HttpRequest, HttpResponse } from '../net/http.ts';
import { malformed } from '../net/http-response.ts';
import type { Scope } from '../net/registry-auth.ts';
import type { RegistryClient } from '../net/registry-client.ts';

/** Sends requests to one repository of a registry, or to a depot, which asks for credentials in the same way. */
export interface RemoteHost {
  readonly client: RegistryClient;
  readonly http: Http;
  readonly scope: Scope;
}

/**
 * The bytes of a file from an offset to its end. From a host that cannot send a range, the first bytes are skipped. Each chunk is
 * valid until the next one is requested.
 * @throws StowageError `source-*`, `interrupted`; while they are read too
 */
export async function* fileBytes(
  { client, http, scope }: RemoteHost,
  file: Pick<HttpRequest, 'what' | 'url'> & { readonly size: number },
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const send = (headers: Record<string, string>): Promise<HttpResponse> => {
    const request: HttpRequest = { what: file.what, url: file.url, headers, allow: [416] };
    return client.send(request, scope, signal, (each) => http.request(each, signal));
  };
  // Also from the beginning: large ranges take the fast path of the HTTP client.
  const ranged = { range: `bytes=${offset}-${file.size - 1}` };
  let response = await send(file.size === 0 ? {} : ranged);
  if (response.status === 416) response = await send({});
  if (response.status !== 206 && response.status !== 200)
    throw malformed(file, { expected: 'the file', found: `status ${response.status}` });
  let skip = response.status === 206 ? offset - startOf(response, file, offset) : offset;
  for await (const chunk of response.body) {
    const bytes = chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - bytes.length;
    if (bytes.length > 0) yield bytes;
    release(chunk);
  }
}

/** The first byte of a range. @throws StowageError `source-malformed` for one that begins after the offset */
function startOf(
  { headers }: HttpResponse,
  file: Pick<HttpRequest, 'what' | 'url'>,
  offset: number,
): number {
  const range = headers.get('content-range') ?? '';
  const start = Number(/^bytes ([0-9]{1,15})-/.exec(range)?.[1] ?? Number.NaN);
  if (start <= offset) return start;
  throw malformed(file, { expected: `bytes from ${offset}`, found: 'another range' });
}
