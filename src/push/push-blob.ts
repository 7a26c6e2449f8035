import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Digest } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import type { Answer, RegistryClient } from '../net/push-client.ts';
import { refused } from './refused.ts';

export interface PushedBlob {
  readonly digest: Digest;
  readonly size: number;
  /** Bytes `start` to `end`, the last exclusive. */
  open(start: number, end: number): Readable;
}

/** Where uploads that were broken off go on, by repository and digest. */
export interface Sessions {
  get(key: string): string | undefined;
  set(key: string, location: string | undefined): Promise<void>;
}

export interface PushBlobOptions {
  readonly client: RegistryClient;
  readonly repository: string;
  /** A repository of the same registry that has the blob, as far as we know. */
  readonly mountFrom?: string | undefined;
  /** Bytes of one PATCH. */
  readonly chunkBytes: number;
  readonly sessions: Sessions;
  readonly signal: AbortSignal;
  readonly onBytes: (bytes: number) => void;
}

const TRIES = 5;
const PAUSE_MS = 500;

/**
 * Brings a blob into a repository: nothing to do where it is; mounted from another repository; or uploaded in chunks,
 * going on where an earlier upload was broken off (distribution specification, "Pushing a blob in chunks").
 * @throws StowageError `registry-refused`, `registry-unreachable`, `registry-denied`
 */
export async function pushBlob(
  blob: PushedBlob,
  options: PushBlobOptions,
): Promise<'mounted' | 'present' | 'uploaded'> {
  const { client, repository, mountFrom, onBytes } = options;
  const url = new URL(`${repository}/blobs/${blob.digest}`, client.base);
  const there = await client.ask({ method: 'HEAD', url, repository });
  if (there.status === 200) {
    onBytes(blob.size);
    return 'present';
  }
  let location: URL | undefined;
  if (mountFrom !== undefined && mountFrom !== repository) {
    const mount = new URL(`${repository}/blobs/uploads/`, client.base);
    mount.search = new URLSearchParams({ mount: blob.digest, from: mountFrom }).toString();
    const answer = await client.ask({ method: 'POST', url: mount, repository, from: mountFrom });
    if (answer.status === 201) {
      onBytes(blob.size);
      return 'mounted';
    }
    if (answer.status === 202) location = locationOf(answer, mount);
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
    if (failures >= TRIES)
      throw new StowageError('registry-refused', `an upload to ${repository} makes no progress`, {
        expected: `${blob.size} bytes of ${blob.digest}`,
        found: `${position.offset} bytes after ${TRIES} tries`,
        hint: 'run the same command again: it goes on there; a smaller --chunk-size may pass a proxy',
      });
    await delay(PAUSE_MS * failures, undefined, { signal });
    const again = (await resume(position.location, options)) ?? (await begin(options));
    onBytes(again.offset - position.offset);
    position = again;
  }
  await finish(blob, position.location, options);
  await sessions.set(key, undefined);
}

async function begin({ client, repository }: PushBlobOptions): Promise<Position> {
  const url = new URL(`${repository}/blobs/uploads/`, client.base);
  const answer = await client.ask({ method: 'POST', url, repository });
  if (answer.status !== 202) throw refused(`an upload to ${repository}`, answer);
  return { location: locationOf(answer, url), offset: 0 };
}

/** How far an upload came; undefined when the registry knows it no more. */
async function resume(
  url: URL,
  { client, repository }: PushBlobOptions,
): Promise<Position | undefined> {
  const answer = await client.ask({ method: 'GET', url, repository });
  if (answer.status !== 204 && answer.status !== 202) return undefined;
  return { location: locationOf(answer, url), offset: received(answer) };
}

/** Undefined when it did not arrive, for whatever reason: how far it came is asked then. */
async function sendChunk(
  blob: PushedBlob,
  { location, offset }: Position,
  { client, repository, chunkBytes }: PushBlobOptions,
): Promise<Position | undefined> {
  const end = Math.min(offset + chunkBytes, blob.size);
  try {
    const answer = await client.ask({
      ...{ method: 'PATCH', url: location, repository },
      headers: {
        'Content-Type': 'application/octet-stream',
        'Content-Range': `${offset}-${end - 1}`,
      },
      body: { size: end - offset, open: () => blob.open(offset, end) },
    });
    if (answer.status !== 202) return undefined;
    return { location: locationOf(answer, location), offset: end };
  } catch (error) {
    if (error instanceof StowageError && error.code === 'registry-unreachable') return undefined;
    throw error;
  }
}

async function finish(
  blob: PushedBlob,
  location: URL,
  { client, repository }: PushBlobOptions,
): Promise<void> {
  const url = new URL(location);
  url.searchParams.set('digest', blob.digest);
  const headers = { 'Content-Type': 'application/octet-stream' };
  const answer = await client.ask({ method: 'PUT', url, repository, headers });
  if (answer.status !== 201) throw refused(`the blob ${blob.digest}`, answer);
}

function locationOf(answer: Answer, asked: URL): URL {
  const url = URL.parse(answer.headers.location ?? '', asked.href);
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  throw refused('an upload: it names no place for it', answer);
}

/** `Range: 0-N` of an upload names its last byte; of an empty one, registries say `0-0` or nothing. */
function received({ headers }: Answer): number {
  const last = Number(/^(?:bytes=)?0-([0-9]{1,15})$/.exec(headers['range'] ?? '')?.[1] ?? 0);
  return last === 0 ? 0 : last + 1;
}
