import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { DepotRequest } from './handler.ts';
import { type HubFile, pointerOf } from './hub-file.ts';
import { type Exchange, type Intact, sendFile, sendJson } from './send.ts';

/** Size in bytes above which `huggingface_hub` refuses plain HTTP if HEAD reports the size (MAX_HTTP_DOWNLOAD_SIZE). */
const HTTP_WALL_BYTES = 50_000_000_000;
/** The first `huggingface_hub` that does not need a size from HEAD. */
const SIZELESS_HEAD = [1, 31] as const;

/** A file of one commit, and its path in the store. */
export interface StoredHubFile {
  readonly path: string;
  readonly intact: Intact;
  readonly commit: string;
  readonly file: HubFile;
}

/** The error codes that clients of the Hub understand. */
export type HubRefusal = 'RepoNotFound' | 'RevisionNotFound' | 'EntryNotFound';

const MESSAGES: Readonly<Record<HubRefusal, string>> = {
  RepoNotFound: 'Repository not found: no imported release contains it',
  RevisionNotFound: 'Revision not found: no imported release contains it',
  EntryNotFound: 'Entry not found: it was not packed with this model, or is not in its repository',
};

/**
 * Answers 404 with the code that makes the client raise the right error. For a missing file the response has the
 * commit, so that the client records in its cache that the file does not exist.
 */
export function refuseHub(
  request: DepotRequest,
  response: ServerResponse,
  code: HubRefusal,
  commit?: string,
): void {
  const message = MESSAGES[code];
  sendError({ request, response }, 404, message, {
    'X-Error-Code': code,
    ...(commit === undefined ? {} : { 'X-Repo-Commit': commit }),
  });
}

/** Answers with any other error; the message never contains what a client sent. */
export function sendError(
  exchange: Exchange,
  status: number,
  message: string,
  headers: OutgoingHttpHeaders = {},
): void {
  const all = { 'X-Error-Message': message, ...headers };
  sendJson(exchange, status, { error: message }, all);
}

/** Sends a file, never as a redirect and never compressed: some clients of the Hub fail on both. */
export async function sendHubFile(
  { path, intact, commit, file }: StoredHubFile,
  request: DepotRequest,
  response: ServerResponse,
): Promise<void> {
  const { method, message } = request;
  const etag = `"${file.etag}"`;
  const headers = { 'Content-Type': 'application/octet-stream', 'X-Repo-Commit': commit };
  if (file.size === 0) {
    // @huggingface/hub requests the first byte and reads the size from the response, for empty files too.
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
  await sendFile(request, response, { path, intact, size: file.size, etag, headers });
}

/** Sends a file as git stores it: for a file in LFS, its pointer. */
export async function sendRaw(
  stored: StoredHubFile,
  request: DepotRequest,
  response: ServerResponse,
): Promise<void> {
  const { commit, file } = stored;
  if (file.lfs === undefined) {
    await sendHubFile(stored, request, response);
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
 * Whether HEAD omits the size, so that a recent `huggingface_hub` downloads a file over 50 GB (it takes the size from
 * GET). Older ones refuse in both cases, and other clients need the size.
 */
export function hidesSize(size: number, userAgent = ''): boolean {
  if (size <= HTTP_WALL_BYTES) return false;
  const [, major, minor] = /\bhf_hub\/([0-9]{1,4})\.([0-9]{1,4})/.exec(userAgent) ?? [];
  if (major === undefined || minor === undefined) return false;
  const [newMajor, newMinor] = SIZELESS_HEAD;
  return Number(major) > newMajor || (Number(major) === newMajor && Number(minor) >= newMinor);
}
