import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

export interface ProxyOptions {
  /** `user:password` that every request must bring. */
  readonly account?: string;
  /** Ports of this machine that stand for `host:port` of the world; the proxy knows no other. */
  readonly hosts?: Readonly<Record<string, number>>;
  /** Closes every tunnel after it carried so many bytes from the far side. */
  readonly cutAfterBytes?: number;
  /** Answers every CONNECT with this status; 0 never answers. */
  readonly refuse?: number;
}

export interface ProxyRequest {
  readonly method: string;
  /** `host:port` of a CONNECT, the whole address otherwise. */
  readonly target: string;
  readonly authorization: string | undefined;
}

/** A forward proxy as organisations have them. */
export interface Proxy {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly seen: ProxyRequest[];
  stop(): Promise<void>;
}

/** Starts a proxy on a free loopback port: tunnels for TLS, requests with whole addresses for the rest (RFC 9110, 9.3.6). */
export async function startProxy(options: ProxyOptions = {}): Promise<Proxy> {
  const { account, hosts = {}, refuse } = options;
  const seen: ProxyRequest[] = [];
  const open = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    open.add(socket);
    return socket.on('error', () => {}).on('close', () => open.delete(socket));
  };
  const note = ({ method = '', url = '', headers }: IncomingMessage): boolean => {
    const authorization = headers['proxy-authorization'];
    seen.push({ method, target: url, authorization });
    const wanted = account && `Basic ${Buffer.from(account).toString('base64')}`;
    return wanted === undefined || authorization === wanted;
  };
  const server = createServer((asked, response) => {
    if (note(asked)) forward(asked, response, hosts);
    else response.writeHead(407, { 'proxy-authenticate': 'Basic realm="proxy"' }).end();
  });
  server.on('connection', keep);
  server.on('connect', (asked, client: Socket) => {
    const known = note(asked);
    const port = hosts[asked.url ?? ''];
    const status = known ? (refuse ?? (port === undefined ? 502 : 200)) : 407;
    if (status === 0) return;
    if (status !== 200 || port === undefined) {
      const fields = ['Proxy-Authenticate: Basic realm="proxy"', 'Content-Length: 0'];
      const head = [`HTTP/1.1 ${status} no`, ...fields, 'Connection: close'];
      client.end(`${head.join('\r\n')}\r\n\r\n`);
      return;
    }
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    tunnel(client, keep(connect(port, '127.0.0.1')), options.cutAfterBytes);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

function forward(
  asked: IncomingMessage,
  response: ServerResponse,
  hosts: Readonly<Record<string, number>>,
): void {
  const url = URL.parse(asked.url ?? '');
  const port = url?.protocol === 'http:' ? hosts[`${url.hostname}:${url.port || 80}`] : undefined;
  if (url === null || port === undefined) {
    response.writeHead(502).end();
    return;
  }
  const { 'proxy-authorization': _, ...headers } = asked.headers;
  const path = `${url.pathname}${url.search}`;
  const onward = request(
    { host: '127.0.0.1', port, path, method: asked.method, headers },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    },
  );
  onward.on('error', () => response.destroy());
  asked.pipe(onward);
}

function tunnel(client: Socket, far: Socket, cutAfterBytes = Number.POSITIVE_INFINITY): void {
  let carried = 0;
  const end = (): void => {
    client.destroySoon();
    far.destroy();
  };
  client.on('close', end);
  far.on('close', end);
  client.pipe(far);
  far.on('data', (chunk: Buffer) => {
    carried += chunk.length;
    client.write(chunk);
    if (carried >= cutAfterBytes) end();
  });
}
