import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export interface GitServer {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Such as `http://127.0.0.1:PORT`; a repository is `/NAME.git` below. */
  readonly url: string;
  /** Method, path and Authorization of each request. */
  readonly seen: { method: string; path: string; authorization: string | undefined }[];
  /** LFS objects by SHA-256. */
  readonly lfs: Map<string, Buffer>;
  stop(): Promise<void>;
}

export interface GitServerOptions {
  /** Files alone, without git's own program: the dumb protocol. */
  readonly dumb?: boolean;
  /** `user:password` that every request must bring. */
  readonly account?: string;
}

/** Serves the bare repositories of a folder on a free loopback port, by `git http-backend`, and LFS objects. */
export async function startGitServer(
  root: string,
  { dumb = false, account }: GitServerOptions = {},
): Promise<GitServer> {
  const seen: GitServer['seen'] = [];
  const lfs = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const { authorization } = request.headers;
    seen.push({ method: request.method ?? '', path: url.pathname, authorization });
    const wanted = account && `Basic ${Buffer.from(account).toString('base64')}`;
    if (wanted !== undefined && authorization !== wanted)
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
    else if (url.pathname.endsWith('/info/lfs/objects/batch')) batch(request, response, lfs);
    else if (url.pathname.startsWith('/lfs/')) object(url.pathname.slice(5), response, lfs);
    else if (dumb) file(join(root, url.pathname), response);
    else backend(root, url, request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    url: `http://${host}`,
    seen,
    lfs,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function backend(root: string, url: URL, request: IncomingMessage, response: ServerResponse): void {
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'safe.directory',
      GIT_CONFIG_VALUE_0: '*',
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      HTTP_GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  request.pipe(child.stdin);
  child.stdin.on('error', () => {});
  let head = Buffer.alloc(0);
  child.stdout.on('data', function onData(chunk: Buffer) {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    child.stdout.off('data', onData);
    const fields = head
      .toString('latin1', 0, end)
      .split('\r\n')
      .map((line) => line.split(': '));
    const status = Number.parseInt(fields.find(([name]) => name === 'Status')?.[1] ?? '200', 10);
    for (const [name = '', value = ''] of fields)
      if (name !== 'Status') response.setHeader(name, value);
    response.writeHead(status);
    response.write(head.subarray(end + 4));
    child.stdout.pipe(response);
  });
}

function file(path: string, response: ServerResponse): void {
  if (!existsSync(path) || !statSync(path).isFile()) response.writeHead(404).end();
  else createReadStream(path).pipe(response);
}

function batch(
  request: IncomingMessage,
  response: ServerResponse,
  lfs: ReadonlyMap<string, Buffer>,
): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { objects } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as {
      objects: { oid: string; size: number }[];
    };
    const base = `http://${request.headers.host}/lfs/`;
    const answers = objects.map(({ oid, size }) => ({
      oid,
      size,
      ...(lfs.has(oid)
        ? { actions: { download: { href: `${base}${oid}` } } }
        : { error: { code: 404, message: 'Object does not exist' } }),
    }));
    response.setHeader('content-type', 'application/vnd.git-lfs+json');
    response.end(JSON.stringify({ transfer: 'basic', objects: answers }));
  });
}

function object(oid: string, response: ServerResponse, lfs: ReadonlyMap<string, Buffer>): void {
  const bytes = lfs.get(oid);
  if (bytes === undefined) response.writeHead(404).end();
  else response.end(bytes);
}

/** What {@link commitTo} puts into a commit, by path. */
export type GitContent = Readonly<
  Record<
    string,
    | string
    | Buffer
    | { readonly link: string }
    | { readonly program: string }
    | { readonly commit: string }
  >
>;

/** In place of what this machine says to git, such as to sign every tag. */
export const gitSettings = { GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' } as const;

const OF_A = 'a <a@example.com> 1767225600 +0000';

/** Commits these files, and no others, to a branch of a bare repository, which is made where it is not there. */
export function commitTo(root: string, name: string, content: GitContent, branch = 'main'): string {
  const folder = join(root, `${name}.git`);
  const env = { ...gitSettings, PATH: process.env['PATH'], HOME: root };
  const git = (args: string[], input?: Buffer): string =>
    execFileSync('git', args, { env, cwd: root, input: input ?? '' })
      .toString()
      .trim();
  if (!existsSync(folder))
    git(['init', '--quiet', '--bare', '--template=', '--initial-branch=main', folder]);
  const files = Object.entries(content).map(([path, what]) => {
    if (typeof what === 'string' || Buffer.isBuffer(what)) return inline('100644', path, what);
    if ('link' in what) return inline('120000', path, what.link);
    if ('program' in what) return inline('100755', path, what.program);
    return Buffer.from(`M 160000 ${what.commit} ${path}\n`);
  });
  const head = `commit refs/heads/${branch}\ncommitter ${OF_A}\ndata 5\nfiles\ndeleteall\n`;
  const input = Buffer.concat([Buffer.from(head), ...files]);
  git(['-C', folder, 'fast-import', '--quiet', '--force'], input);
  git(['-C', folder, 'update-server-info']);
  return git(['-C', folder, 'rev-parse', branch]);
}

function inline(mode: string, path: string, bytes: string | Buffer): Buffer {
  const content = Buffer.from(bytes);
  const head = `M ${mode} inline ${path}\ndata ${content.length}\n`;
  return Buffer.concat([Buffer.from(head), content, Buffer.from('\n')]);
}

/** The pointer that a repository holds in place of a file of Git LFS. */
export function lfsPointer(bytes: Buffer): string {
  const oid = createHash('sha256').update(bytes).digest('hex');
  return `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${bytes.length}\n`;
}
