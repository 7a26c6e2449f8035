import { StowageError } from '../core/error.ts';
import { fieldsOf, listOf, textOf } from '../core/json.ts';
import { MAX_ARCHIVE_ENTRIES, MIB } from '../core/limits.ts';
import { quoted } from '../core/text.ts';
import type { Http } from '../net/http.ts';
import { type Asked, malformed } from '../net/http-response.ts';
import { signedRequest } from './s3-api.ts';
import type { S3Settings } from './s3-settings.ts';

/** A folder of a bucket. */
export interface S3Place {
  readonly bucket: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
}

/** An object, as the listing of its bucket shows it. */
export interface ListedObject {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
}

/** A page has at most 1,000 keys, each of at most 1,024 bytes, which are percent-encoded. */
const MAX_PAGE_BYTES: number = 8 * MIB;
const MAX_TOKEN = 4096;

/**
 * Every object below a folder, without the empty ones that stand for folders.
 * @throws StowageError `source-*`; `source-malformed` for a listing that repeats itself
 */
export async function listObjects(
  { bucket, prefix }: S3Place,
  { http, settings }: { readonly http: Http; readonly settings: S3Settings },
  signal: AbortSignal,
): Promise<ListedObject[]> {
  const what = `the objects of s3://${bucket}/${prefix}`;
  const found = new Map<string, ListedObject>();
  const tokens = new Set<string>();
  for (let token: string | undefined; ; ) {
    const query = {
      ...{ 'list-type': '2', 'encoding-type': 'url', prefix },
      ...(token === undefined ? {} : { 'continuation-token': token }),
    };
    const asked = { method: 'GET' as const, bucket, key: '', query, what };
    const request = await signedRequest(asked, settings);
    const { bytes } = await http.read(request, MAX_PAGE_BYTES, signal);
    const page = await parsePage(bytes, request);
    for (const { key, size } of page.objects) {
      if (!key.startsWith(prefix) || found.has(key))
        throw malformed(request, {
          expected: `keys that begin with ${quoted(prefix)}, each once`,
          found: quoted(key.slice(0, 160)),
        });
      found.set(key, { key, size });
    }
    if (found.size > MAX_ARCHIVE_ENTRIES)
      throw malformed(request, {
        expected: `at most ${MAX_ARCHIVE_ENTRIES} objects`,
        found: 'more',
      });
    token = page.next;
    if (token === undefined) break;
    if (tokens.has(token) || token.length > MAX_TOKEN)
      throw malformed(request, { expected: 'pages that differ', found: 'the same page again' });
    tokens.add(token);
  }
  return [...found.values()].filter(({ key, size }) => !(key.endsWith('/') && size === 0));
}

interface Page {
  readonly objects: readonly ListedObject[];
  /** Continues the listing. */
  readonly next?: string;
}

async function parsePage(bytes: Buffer, asked: Asked): Promise<Page> {
  // Loaded on first use, so that commands without S3 start faster.
  const { XMLParser } = await import('fast-xml-parser');
  const text = bytes.toString('utf8');
  // Stores send none; entities that a document defines could grow without limit.
  if (text.includes('<!DOCTYPE')) throw noListing(asked, 'a document type');
  const parser = new XMLParser({ parseTagValue: false, isArray: (name) => name === 'Contents' });
  const result = fieldsOf(fieldsOf(read(() => parser.parse(text), asked))['ListBucketResult']);
  const truncated = result['IsTruncated'];
  if (truncated !== 'true' && truncated !== 'false') throw noListing(asked, 'no IsTruncated');
  const next = textOf(result['NextContinuationToken'], 65_536);
  if (truncated === 'true' && (next === undefined || next === ''))
    throw noListing(asked, 'a part of a listing that cannot be continued');
  const encoded = result['EncodingType'] === 'url';
  const objects = listOf(result['Contents']).map(({ Key, Size }) => {
    const name = textOf(Key, 65_536) ?? '';
    const key = encoded ? read(() => decodeURIComponent(name.replaceAll('+', ' ')), asked) : name;
    const size = /^\d{1,15}$/.test(textOf(Size) ?? '') ? Number(Size) : undefined;
    if (key === '' || size === undefined) throw noListing(asked, 'an object without key or size');
    return { key, size };
  });
  return { objects, ...(truncated === 'true' && next !== undefined ? { next } : {}) };
}

function read<T>(parse: () => T, asked: Asked): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof StowageError) throw error;
    throw noListing(asked, 'something else');
  }
}

function noListing(asked: Asked, found: string): StowageError {
  return malformed(asked, { expected: 'a listing of objects in XML (ListObjectsV2)', found });
}
