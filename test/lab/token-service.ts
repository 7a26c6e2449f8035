import { createPrivateKey, sign, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { run } from './process.ts';

/** Who may read: a user with a password, or whoever has the refresh token. */
export interface TokenServiceOptions {
  readonly username: string;
  readonly password: string;
  readonly refreshToken: string;
}

export interface TokenService {
  readonly realm: string;
  /** What docker-registry trusts: the certificate of the key that signs. */
  readonly certificate: string;
  readonly issuer: string;
  readonly service: string;
  /** Every token that was given out. */
  readonly issued: string[];
  stop(): Promise<void>;
}

/** A token service (distribution token specification, OAuth2 too) that signs for a docker-registry, on loopback. */
export async function startTokenService(
  dir: string,
  options: TokenServiceOptions,
): Promise<TokenService> {
  const [key, certificate] = [join(dir, 'token.key'), join(dir, 'token.pem')];
  const files = ['-keyout', key, '-out', certificate, '-subj', '/CN=tokens', '-days', '2'];
  await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...files]);
  const [issuer, service] = ['lab-issuer', 'lab-registry'];
  const issued: string[] = [];
  const x5c = [new X509Certificate(readFileSync(certificate)).raw.toString('base64')];
  const basic = `Basic ${Buffer.from(`${options.username}:${options.password}`).toString('base64')}`;
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      const url = new URL(request.url ?? '', 'http://tokens.invalid');
      const form = request.method === 'POST' ? new URLSearchParams(body) : url.searchParams;
      const known =
        request.headers.authorization === basic ||
        form.get('refresh_token') === options.refreshToken;
      if (!known) {
        response.writeHead(401).end(`who is ${request.headers.authorization} ${body}`);
        return;
      }
      const [type = '', name = '', actions = ''] = (form.get('scope') ?? '').split(':');
      const access = [{ type, name, actions: actions.split(',') }];
      const now = Math.floor(Date.now() / 1000);
      const claims = {
        iss: issuer,
        sub: 'lab',
        aud: service,
        nbf: now - 5,
        iat: now,
        exp: now + 300,
      };
      const encode = (value: object): string =>
        Buffer.from(JSON.stringify(value)).toString('base64url');
      const text = `${encode({ typ: 'JWT', alg: 'RS256', x5c })}.${encode({ ...claims, jti: String(issued.length), access })}`;
      const signature = sign('sha256', Buffer.from(text), createPrivateKey(readFileSync(key)));
      const token = `${text}.${signature.toString('base64url')}`;
      issued.push(token);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ token, access_token: token, expires_in: 300 }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    ...{ certificate, issuer, service, issued },
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
