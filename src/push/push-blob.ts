import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Digest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { fieldsOf, textOf } from '../core/json.ts';
import { MIB } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { readBounded, writeAtomic } from '../io/file.ts';
import { makeFolder } from '../io/folder.ts';
import type { HttpResponse } from '../net/http.ts';
import { type RegistryWriter, refused, unlessRefused } from './registry-writer.ts';

export interface PushedBlob {
  readonly digest: Digest;
  readonly size: number;
  /** Bytes `start` to `end`, the last exclusive. @throws StowageError `blob-damaged`, `io-failed` while it is read */
  open(start: number, end: number): AsyncIterable<Uint8Array>;
  /** Reads the local copy again. @throws StowageError `blob-damaged` if it does not match its digest, `io-failed` */
  check(): Promise<void>;
}

/** The addresses at which interrupted uploads resume, by repository and digest. */
export interface Sessions {
  get(key: string): string | undefined;
  set(key: string, location: string | undefined): Promise<void>;
}

export interface PushBlobOptions {
  readonly writer: RegistryWriter;
  readonly repository: string;
  /** A repository of the same registry that has the blob. */
  readonly mountFrom?: string | undefined;
  /** Bytes of one PATCH. */
  readonly chunkBytes: number;
  readonly sessions: Sessions;
  readonly signal: AbortSignal;
  readonly onBytes: (bytes: number) => void;
}

const TRIES = 5;
const PAUSE_MS = 500;
const NOT_THERE = [400, 404, 405];

/**
 * Copies a blob into a repository: does nothing if it is there, mounts it from another repository, or uploads it in
 * chunks and resumes an interrupted upload (distribution-spec 1.1, "Pushing a blob in chunks").
 * @throws StowageError `blob-damaged` and `io-failed` for the local copy; `registry-refused`, `registry-unreachable`,
 * `registry-denied`
 */
export async function pushBlob(
  blob: PushedBlob,
  options: PushBlobOptions,
): Promise<'mounted' | 'present' | 'uploaded'> {
  const { writer, repository, mountFrom, onBytes } = options;
  const what = `the blob ${blob.digest}`;
  const to = `blobs/${blob.digest}`;
  const present = await writer.send({ method: 'HEAD', what, to, repository, allow: NOT_THERE });
  if (present.status === 200) {
    onBytes(blob.size);
    return 'present';
  }
  let location: URL | undefined;
  if (mountFrom !== undefined && mountFrom !== repository) {
    const query = new URLSearchParams({ mount: blob.digest, from: mountFrom });
    const mounted = await unlessRefused(
      writer.send({ method: 'POST', what, to: `blobs/uploads/?${query}`, repository, mountFrom }),
    );
    if (mounted?.status === 201) {
      onBytes(blob.size);
      return 'mounted';
    }
    if (mounted?.status === 202) location = locationOf(mounted);
  }
  await upload(blob, options, location);
  return 'uploaded';
}

interface Position {
  readonly location: URL;
  readonly offset: number;
}

async function upload(
  blob: PushedBlob,
  options: PushBlobOptions,
  begun: URL | undefined,
): Promise<void> {
  const { sessions, repository, signal, onBytes } = options;
  const key = `${repository}@${blob.digest}`;
  const kept = begun === undefined ? sessions.get(key) : undefined;
  let position =
    (kept === undefined ? undefined : await resume(new URL(kept), options)) ??
    (begun === undefined ? await begin(options) : { location: begun, offset: 0 });
  onBytes(position.offset);
  let failures = 0;
  while (position.offset < blob.size) {
    await sessions.set(key, position.location.href);
    const next = await sendChunk(blob, position, options);
    if (next !== undefined) {
      onBytes(next.offset - position.offset);
      position = next;
      failures = 0;
      continue;
    }
    failures += 1;
    if (failures >= TRIES) {
      await blob.check();
      throw new StowageError('registry-refused', `an upload to ${repository} makes no progress`, {
        expected: `${counted(blob.size, 'byte')} of ${blob.digest}`,
        found: `${counted(position.offset, 'byte')} after ${TRIES} tries`,
        hint: 'run the same command again: the upload resumes; a smaller --chunk-size may pass a proxy',
      });
    }
    await delay(PAUSE_MS * failures, undefined, { signal });
    const again = (await resume(position.location, options)) ?? (await begin(options));
    onBytes(again.offset - position.offset);
    position = again;
  }
  try {
    await finish(blob, position.location, options);
  } catch (error) {
    if (!(error instanceof StowageError) || error.code !== 'registry-refused') throw error;
    // What the registry has of it is wrong: the next run begins anew.
    await sessions.set(key, undefined);
    await blob.check();
    throw error;
  }
  await sessions.set(key, undefined);
}

async function begin({ writer, repository }: PushBlobOptions): Promise<Position> {
  const what = `an upload to ${repository}`;
  const response = await writer.send({ method: 'POST', what, to: 'blobs/uploads/', repository });
  if (response.status !== 202) throw refused(what, `status ${response.status}`);
  return { location: locationOf(response), offset: 0 };
}

/** How far an upload came; undefined when the registry no longer knows it. */
async function resume(
  to: URL,
  { writer, repository }: PushBlobOptions,
): Promise<Position | undefined> {
  const what = `an upload to ${repository}`;
  const response = await unlessRefused(writer.send({ method: 'GET', what, to, repository }));
  if (response?.status !== 204 && response?.status !== 202) return undefined;
  return { location: locationOf(response), offset: receivedBytes(response) };
}

/** Undefined when the chunk did not arrive: the caller asks how far the upload came. */
async function sendChunk(
  blob: PushedBlob,
  { location, offset }: Position,
  { writer, repository, chunkBytes }: PushBlobOptions,
): Promise<Position | undefined> {
  const end = Math.min(offset + chunkBytes, blob.size);
  const sending = writer.send({
    method: 'PATCH',
    what: `an upload to ${repository}`,
    to: location,
    repository,
    headers: {
      'content-type': 'application/octet-stream',
      'content-range': `${offset}-${end - 1}`,
    },
    body: { size: end - offset, open: () => blob.open(offset, end) },
    tries: 1,
  });
  const response = await unlessRefused(sending, 'registry-unreachable');
  if (response?.status !== 202) return undefined;
  return { location: locationOf(response), offset: end };
}

async function finish(
  blob: PushedBlob,
  location: URL,
  { writer, repository }: PushBlobOptions,
): Promise<void> {
  const to = new URL(location);
  to.searchParams.set('digest', blob.digest);
  const what = `the blob ${blob.digest}`;
  const headers = { 'content-type': 'application/octet-stream' };
  const body = Buffer.alloc(0);
  const { status } = await writer.send({
    ...{ method: 'PUT', what, to, repository, headers, body, tries: 1 },
  });
  if (status !== 201) throw refused(what, `status ${status}`);
}

function locationOf({ status, headers, url }: HttpResponse): URL {
  const location = URL.parse(headers.get('location') ?? '', url.href);
  if (location !== null && /^https?:$/.test(location.protocol)) return location;
  throw refused('an upload', `status ${status} without a Location`);
}

/** `Range: 0-N` of an upload names its last byte; of an empty one, registries say `0-0` or nothing. */
function receivedBytes({ headers }: HttpResponse): number {
  const last = Number(/^(?:bytes=)?0-([0-9]{1,15})$/.exec(headers.get('range') ?? '')?.[1] ?? 0);
  return last === 0 ? 0 : last + 1;
}

const MAX_BYTES: number = MIB;

/** Interrupted uploads in a file that only its owner can read, so that the next run resumes them. */
export async function openSessions(path: string): Promise<Sessions> {
  const known = new Map(Object.entries(await read(path)));
  return {
    get: (key) => known.get(key),
    set: async (key, location) => {
      if (known.get(key) === location) return;
      if (location === undefined) known.delete(key);
      else known.set(key, location);
      await makeFolder(dirname(path), 0o700);
      await writeAtomic(path, Buffer.from(JSON.stringify(Object.fromEntries(known))), 0o600);
    },
  };
}

/** Empty if the file is absent or unreadable: uploads then start again. */
async function read(path: string): Promise<Record<string, string>> {
  try {
    const fields = fieldsOf(JSON.parse((await readBounded(path, MAX_BYTES)).toString('utf8')));
    const entries = Object.entries(fields).flatMap(([key, value]): [string, string][] => {
      const text = textOf(value);
      return text === undefined || !URL.canParse(text) ? [] : [[key, text]];
    });
    return Object.fromEntries(entries);
  } catch (error) {
    if (error instanceof StowageError || error instanceof SyntaxError) return {};
    throw error;
  }
}
