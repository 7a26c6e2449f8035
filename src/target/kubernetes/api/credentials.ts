import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import type { RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { StowageError } from '../../../core/error.ts';
import { fieldsOf } from '../../../core/json.ts';
import { oneLine } from '../../../core/text.ts';

/** How long a program may take that a kubeconfig names for credentials. */
const PLUGIN_SECONDS = 60;
const MAX_TEXT = 500;

/** Ends a program that a kubeconfig names for credentials after a minute: the library would wait for ever. */
export function limitPlugins(config: KubeConfig): void {
  for (const each of config['authenticators'] as readonly { execFn?: typeof spawn }[])
    if (each.execFn !== undefined)
      each.execFn = ((command: string, args: readonly string[], options: object) => {
        const child = spawn(command, args, options);
        // Not the option `timeout`: its timer outlives a program that could not be started.
        const timer = setTimeout(() => child.kill('SIGKILL'), PLUGIN_SECONDS * 1000);
        const clear = (): void => clearTimeout(timer);
        child.on('error', clear).on('close', clear);
        return child;
      }) as typeof spawn;
}

/**
 * Adds the credentials of the current user to a request.
 * @throws StowageError `host-unfit`
 */
export async function addCredentials(config: KubeConfig, options: RequestOptions): Promise<void> {
  try {
    await config.applyToHTTPSOptions(options);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const plugin = fieldsOf(config.getCurrentUser()?.exec)['command'];
    const found = message.trim() === '' ? `nothing, or no end within ${PLUGIN_SECONDS} s` : message;
    throw new StowageError('host-unfit', 'the kubeconfig yields no credentials', {
      expected: 'a certificate, a token, or a plugin that prints one',
      found: oneLine(plugin === undefined ? found : `${plugin}: ${found}`, MAX_TEXT),
      hint: 'run the command of users.user.exec in the kubeconfig by hand, and renew what it needs',
      cause,
    });
  }
}

/** What expired of the credentials that a server refused, in words; undefined if that is not the reason. */
export function expiredCredential(
  { cert, headers }: RequestOptions,
  now: Date,
): string | undefined {
  const authorization = String(fieldsOf(headers)['Authorization'] ?? '');
  const token = tokenExpiry(authorization.replace(/^Bearer /, ''));
  if (token !== undefined && token <= now)
    return `the token of the kubeconfig expired at ${token.toISOString()}`;
  if (typeof cert !== 'string' && !Buffer.isBuffer(cert)) return undefined;
  const end = certificateExpiry(cert);
  return end !== undefined && end <= now
    ? `the client certificate of the kubeconfig expired at ${end.toISOString()}`
    : undefined;
}

/** RFC 7519: `exp` in seconds. Nothing is trusted because of it. */
function tokenExpiry(token: string): Date | undefined {
  try {
    const payload = token.split('.')[1] ?? '';
    const { exp } = fieldsOf(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
    return typeof exp === 'number' && exp > 0 && exp < 8.64e12 ? new Date(exp * 1000) : undefined;
  } catch {
    return undefined;
  }
}

function certificateExpiry(pem: string | Buffer): Date | undefined {
  try {
    return new X509Certificate(pem).validToDate;
  } catch {
    return undefined;
  }
}
