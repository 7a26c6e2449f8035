import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Catalog } from './catalog.ts';
import type { DepotRequest } from './handler.ts';
import { type HubFile, pointerOf } from './hub-file.ts';
import { sendFile, sendJson } from './send.ts';

/** Bytes above which `huggingface_hub` takes no file by plain HTTP when HEAD tells its size (MAX_HTTP_DOWNLOAD_SIZE). */
const HTTP_WALL_BYTES = 50_000_000_000;
/** The first `huggingface_hub` that needs no size from HEAD. */
const SIZELESS_HEAD = [1, 31] as const;

/** Why a request is refused, in the words that clients understand. */
export type HubRefusal = 'RepoNotFound' | 'RevisionNotFound' | 'EntryNotFound';

const MESSAGES: Readonly<Record<HubRefusal, string>> = {
  RepoNotFound: 'Repository not found: it is in no release that was brought to this depot',
  RevisionNotFound: 'Revision not found: no release that was brought to this depot has it',
  EntryNotFound: 'Entry not found: it was not packed with this model, or is not in its repository',
};

/**
 * Answers 404 with the code that makes the client raise the right error. With a missing file goes the commit, so
 * that the client remembers in its cache that there is none.
 */
export function refuseHub(
  request: DepotRequest,
  response: ServerResponse,
  code: HubRefusal,
  commit?: string,
): void {
  const message = MESSAGES[code];
  sendError(request, response, 404, message, {
    'X-Error-Code': code,
    ...(commit === undefined ? {} : { 'X-Repo-Commit': commit }),
  });
}

/** Any other error: its text is ours, never what a client sent. */
export function sendError(
  request: DepotRequest,
  response: ServerResponse,
  status: number,
  message: string,
  headers: OutgoingHttpHeaders = {},
): void {
  const all = { 'X-Error-Message': message, ...headers };
  sendJson(request, response, status, { error: message }, all);
}

/** A file's bytes as they are: never a redirect, never compressed, both of which clients of the Hub stumble over. */
export async function sendHubFile(
  catalog: Catalog,
  commit: string,
  file: HubFile,
  request: DepotRequest,
  response: ServerResponse,
): Promise<void> {
  const { method, message } = request;
  const etag = `"${file.etag}"`;
  const headers = { 'Content-Type': 'application/octet-stream', 'X-Repo-Commit': commit };
  if (file.size === 0) {
    // @huggingface/hub asks for the first byte and reads the size out of the answer, of empty files too.
    const ranged = message.headers.range !== undefined;
    const span = ranged ? { 'Content-Range': 'bytes 0-0/0' } : {};
    const common = { ...headers, ETag: etag, 'Accept-Ranges': 'bytes' };
    response.writeHead(200, { ...common, 'Content-Length': 0, ...span }).end();
    return;
  }
  if (method === 'HEAD' && hidesSize(file.size, message.headers['user-agent'])) {
    const common = { ...headers, ETag: etag, 'Accept-Ranges': 'bytes' };
    response.writeHead(200, { ...common, 'Transfer-Encoding': 'chunked' }).end();
    return;
  }
  const { digest, size } = file;
  await sendFile(request, response, { path: catalog.blobPath(digest), size, etag, headers });
}

/** A file as git has it: of a file in LFS, its pointer. */
export async function sendRaw(
  catalog: Catalog,
  commit: string,
  file: HubFile,
  request: DepotRequest,
  response: ServerResponse,
): Promise<void> {
  if (file.lfs === undefined) {
    await sendHubFile(catalog, commit, file, request, response);
    return;
  }
  const pointer = pointerOf(file.lfs.oid, file.size);
  response.writeHead(200, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': pointer.length,
    'X-Repo-Commit': commit,
    ETag: `"${file.oid}"`,
  });
  response.end(request.method === 'HEAD' ? undefined : pointer);
}

/**
 * Whether HEAD keeps the size to itself: that is how a recent `huggingface_hub` gets a file over 50 GB (it checks
 * the size that GET tells). Older ones refuse either way, and other clients need the size.
 */
export function hidesSize(size: number, userAgent = ''): boolean {
  if (size <= HTTP_WALL_BYTES) return false;
  const [, major, minor] = /\bhf_hub\/([0-9]{1,4})\.([0-9]{1,4})/.exec(userAgent) ?? [];
  if (major === undefined || minor === undefined) return false;
  const [newMajor, newMinor] = SIZELESS_HEAD;
  return Number(major) > newMajor || (Number(major) === newMajor && Number(minor) >= newMinor);
}
