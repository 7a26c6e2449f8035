import { digestFromHex, digestOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_ARCHIVE_ENTRIES, MIB } from '../core/limits.ts';
import { quoted } from '../core/text.ts';
import { isListSource } from '../format/source.ts';
import { forEachBounded } from '../io/queue.ts';
import type { Http } from '../net/http.ts';
import { type Asked, malformed } from '../net/http-response.ts';
import { describeHttps, httpsOrigin } from './https.ts';
import type { FoundFile, ModelSourceKind } from './origin.ts';

const MAX_LIST_BYTES: number = 16 * MIB;
const REQUESTS_AT_ONCE = 8;

/**
 * Models on https servers: the source is a list of SHA-256 digests and paths, as `sha256sum` writes it, whose own digest is in
 * the manifest. The files are beside the list.
 */
export function listedModels({ http }: { readonly http: Http }): ModelSourceKind {
  return {
    reads: isListSource,
    resolve: async ({ source, digest }, signal) => {
      const asked = { what: describeHttps(source), url: new URL(source) };
      const { bytes } = await http.read(asked, MAX_LIST_BYTES, signal);
      const found = digestOf(bytes);
      if (digest !== found)
        throw new StowageError(
          'source-mismatch',
          `the list ${asked.what} is not that of the manifest`,
          {
            expected: digest ?? 'a digest in the manifest',
            found,
            hint: 'compare the list with that of its publisher, then correct the digest in the manifest',
          },
        );
      const files: FoundFile[] = [];
      await forEachBounded(
        entriesOf(bytes.toString('utf8'), asked),
        REQUESTS_AT_ONCE,
        async (each) => {
          files.push({ ...each, size: await sizeOf(addressOf(source, each.path), http, signal) });
        },
      );
      const origin = { kind: 'https' as const, uri: source, digest: found };
      return { origin, gated: false, tags: [], files };
    },
    file: async ({ source }, { path }) => httpsOrigin(addressOf(source, path), http),
  };
}

/** The lines of a list: `<64 hex digits>  <path>`, with an asterisk for the second space in binary mode. */
function entriesOf(text: string, asked: Asked): Pick<FoundFile, 'path' | 'digest'>[] {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  if (lines.length === 0 || lines.length > MAX_ARCHIVE_ENTRIES)
    throw malformed(asked, {
      expected: `1 to ${MAX_ARCHIVE_ENTRIES} lines`,
      found: `${lines.length}`,
    });
  const paths = new Set<string>();
  return lines.map((line) => {
    const [, hex = '', path = ''] = /^([0-9a-f]{64}) [ *](?:\.\/)?(.+?)\r?$/.exec(line) ?? [];
    if (path === '' || paths.has(path))
      throw malformed(asked, {
        expected: 'a SHA-256 and a path in each line, each path once, as sha256sum writes them',
        found: quoted(line.slice(0, 160)),
      });
    paths.add(path);
    return { path, digest: digestFromHex(hex) };
  });
}

/** @throws StowageError `path-unsafe` for a path that is not below the list */
function addressOf(list: string, path: string): string {
  const segments = path.split('/');
  // A URL would normalize these segments, and the request would go to another path on the host.
  if (segments.some((each) => ['', '.', '..'].includes(each)))
    throw new StowageError('path-unsafe', `unsafe path ${quoted(path)} in a list`, {
      expected: 'a path below the list',
      hint: 'ask the publisher of the list to correct it',
    });
  const url = new URL(list);
  const folder = url.pathname.slice(0, url.pathname.lastIndexOf('/') + 1);
  url.pathname = `${folder}${segments.map(encodeURIComponent).join('/')}`;
  return url.href;
}

async function sizeOf(address: string, http: Http, signal: AbortSignal): Promise<number> {
  const asked = { what: describeHttps(address), url: new URL(address) };
  const headers = { 'accept-encoding': 'identity' };
  const response = await http.request({ ...asked, headers, method: 'HEAD' }, signal);
  const length = response.headers.get('content-length') ?? '';
  if (/^\d{1,15}$/.test(length)) return Number(length);
  throw malformed(asked, { expected: 'its size in Content-Length', found: 'none' });
}
