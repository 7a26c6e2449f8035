import { StowageError } from '../core/error.ts';
import { isLoopback, redactUrl } from '../net/address.ts';
import type { Http } from '../net/http.ts';
import type { Origin } from './origin.ts';
import { rangeOrigin } from './range-origin.ts';

/** A file at an https address; http is allowed for this machine. @throws StowageError `source-unsupported` */
export function httpsOrigin(address: string, http: Http): Origin {
  const url = parseHttps(address);
  const asked = { what: redactUrl(url), url };
  return rangeOrigin(
    asked,
    (part, signal) => http.request({ ...asked, ...part }, signal),
    http.request,
  );
}

/** An https address in a form that may appear in messages. */
export function describeHttps(address: string): string {
  return redactUrl(parseHttps(address));
}

function parseHttps(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const plain = url?.protocol === 'http:' && isLoopback(url.hostname);
  if (url === undefined || (url.protocol !== 'https:' && !plain)) {
    throw unsupported(url === undefined ? 'no address' : `${url.protocol}// at ${url.host}`);
  }
  if (url.username !== '' || url.password !== '') {
    throw unsupported(`an address with a user in it, at ${url.host}`);
  }
  return url;
}

function unsupported(found: string): StowageError {
  return new StowageError('source-unsupported', 'files are supported only over https', {
    expected: 'https://host/path, without a user or a password',
    found,
    hint: 'give an https URL, or download the file and give its path',
  });
}
