import { StowageError, systemCode } from '../core/error.ts';
import { counted } from '../core/text.ts';
import { redactUrl } from './address.ts';
import { LocalAddressError } from './local-address.ts';
import { explainProxy, ProxyFailure } from './proxy-failure.ts';

/** What a request asks for, for messages. */
export interface Asked {
  /** Such as `the tags of docker.io/library/debian`. */
  readonly what: string;
  readonly url: URL;
}

const NO_ROUTE = ['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL'];
const CERTIFICATE =
  /^(CERT_|ERR_TLS_CERT|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_(CA|PURPOSE)|PATH_LENGTH)/;
const TLS = /^(EPROTO|ERR_SSL|ERR_TLS)/;

/** The server sent nothing for too long. */
export class NoAnswer extends Error {
  constructor(what: string, afterMs: number) {
    super(`no ${what} for ${afterMs / 1000} s`);
    this.name = 'NoAnswer';
  }
}

/**
 * The system's error under the layers in which a client wraps it. The layers may quote an address with its secrets, and
 * stay out of our errors.
 */
function rootOf(error: unknown): Error {
  if (error instanceof NoAnswer || error instanceof ProxyFailure) return error;
  for (let each = error; each instanceof Error; each = each.cause) {
    if (systemCode(each) !== undefined) return each;
  }
  return new Error('the connection failed');
}

function networkCode(error: unknown): string | undefined {
  return systemCode(rootOf(error));
}

/** Whether a connection failed because of the server's certificate. */
export function isCertificateFailure(error: unknown): boolean {
  return CERTIFICATE.test(networkCode(error) ?? '');
}

/** Whether a connection failed because the server does not speak TLS. */
export function isTlsFailure(error: unknown): boolean {
  return TLS.test(networkCode(error) ?? '') && !isCertificateFailure(error);
}

/** Whether another try is sure to fail too: no such name, an invalid certificate, a refusal by a proxy. */
export function isFinal(error: unknown): boolean {
  if (error instanceof ProxyFailure && Math.floor((error.status ?? 0) / 100) === 4) return true;
  const code = networkCode(error) ?? '';
  return ['ENOTFOUND', 'ERR_LOCAL_ADDRESS'].includes(code) || isCertificateFailure(error);
}

/** The error for a connection that failed, before its answer or within its body. */
export function unreachable({ what, url }: Asked, error: unknown, bytes?: number): StowageError {
  const cause = rootOf(error);
  const { found, hint } = explain(cause, url);
  const when = bytes === undefined ? '' : ` after ${counted(bytes, 'byte')}`;
  const denied = cause instanceof ProxyFailure && cause.status === 407;
  return new StowageError(denied ? 'source-denied' : 'source-unreachable', `cannot fetch ${what}`, {
    expected: `an answer from ${redactUrl(url)}`,
    found: `${found}${when}`,
    hint,
    cause,
  });
}

function explain(cause: Error, url: URL): { found: string; hint: string } {
  const code = networkCode(cause) ?? '';
  const again = 'run the same command again; it resumes where it stopped';
  if (cause instanceof NoAnswer) return { found: cause.message, hint: again };
  if (cause instanceof ProxyFailure) return explainProxy(cause, url.host);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return {
      found: `no address for the name ${url.hostname}`,
      hint: "check the spelling of the host name, and this machine's DNS and network",
    };
  }
  if (code === 'ECONNREFUSED') {
    return {
      found: 'connection refused',
      hint: `check the port, and that a server listens at ${url.host}`,
    };
  }
  if (NO_ROUTE.includes(code)) {
    return { found: `no route (${code})`, hint: "check this machine's network and firewall" };
  }
  if (cause instanceof LocalAddressError) {
    return {
      found: `a redirect to this machine or its link: ${cause.message}`,
      hint: 'report it to the operator of the server that redirected',
    };
  }
  if (CERTIFICATE.test(code)) {
    return {
      found: `an invalid or untrusted certificate (${code})`,
      hint: "check this machine's clock; if the certificate is from a CA of your own, pass that CA with --ca-file",
    };
  }
  if (TLS.test(code)) {
    return { found: `no TLS (${code})`, hint: `check that ${url.host} serves https on this port` };
  }
  return { found: `a broken connection${code === '' ? '' : ` (${code})`}`, hint: again };
}

/** The error for an unexpected status. `said` is the server's own message as one clean line. */
export function refusedStatus({ what, url }: Asked, status: number, said: string): StowageError {
  const where = redactUrl(url);
  const found = said === '' ? `status ${status}` : `status ${status}: ${said}`;
  if (status === 407) {
    return new StowageError('source-denied', `not allowed to fetch ${what}`, {
      expected: `an answer from ${where}`,
      ...explainProxy(new ProxyFailure('in front of it', status, undefined), url.host),
    });
  }
  if (status === 401 || status === 403) {
    return new StowageError('source-denied', `not allowed to fetch ${what}`, {
      expected: `access to ${where}`,
      found,
      hint: `sign in to ${url.host} with an account that may read it`,
    });
  }
  if (status === 404 || status === 410) {
    return new StowageError('source-not-found', `no ${what}`, {
      expected: `something at ${where}`,
      found,
      hint: 'check the name in the manifest',
    });
  }
  return new StowageError('source-unreachable', `cannot fetch ${what}`, {
    expected: `an answer from ${where}`,
    found,
    hint:
      status === 429
        ? `wait, or sign in to ${url.host}: it limits the requests of anonymous clients`
        : 'try again later; if the problem persists, ask the operator of the server',
  });
}

/** What a protocol requires, and what came instead. */
export interface Violation {
  readonly expected: string;
  readonly found: string;
}

/** The error for a response that violates its protocol. */
export function malformed({ what, url }: Asked, violation: Violation): StowageError {
  return new StowageError(
    'source-malformed',
    `${redactUrl(url)} sent an invalid response for ${what}`,
    { hint: 'ask the operator of the server, or of a proxy in front of it', ...violation },
  );
}
