import { StowageError } from '../core/error.ts';
import { fieldsOf, textOf } from '../core/json.ts';
import { MIB } from '../core/limits.ts';
import type { Upload } from '../net/exchange.ts';
import type { Http, HttpRequest, HttpResponse } from '../net/http.ts';
import type { RegistryClient } from '../net/registry-client.ts';

const MAX_RESPONSE_BYTES: number = MIB;
/** A registry may hash a whole layer before it answers. */
const HEADERS_TIMEOUT_MS = 600_000;

export interface RegistryWriterOptions {
  /** `host` or `host:port`. */
  readonly registry: string;
  readonly client: RegistryClient;
  readonly http: Http;
  readonly signal: AbortSignal;
}

export interface WriteRequest extends Pick<HttpRequest, 'allow' | 'headers' | 'method' | 'tries'> {
  /** What is written, for messages. */
  readonly what: string;
  /** A path below the repository, or the address that the registry gave for an upload. */
  readonly to: string | URL;
  readonly repository: string;
  readonly mountFrom?: string | undefined;
  readonly body?: Buffer | Upload;
}

/** Writes to one registry. */
export interface RegistryWriter {
  /** @throws StowageError `registry-unreachable`, `registry-denied`, `registry-refused`, `interrupted`, and those of credentials */
  send(request: WriteRequest): Promise<HttpResponse>;
}

export function createRegistryWriter(options: RegistryWriterOptions): RegistryWriter {
  const { registry, client, http, signal } = options;
  return {
    send: async ({ to, repository, mountFrom, ...open }) => {
      try {
        const url = to instanceof URL ? to : await client.url({ registry, repository }, to, signal);
        const request: HttpRequest = {
          ...open,
          url,
          headersTimeoutMs: HEADERS_TIMEOUT_MS,
          explain: ({ status, said }) => refused(open.what, `status ${status}`, codeOf(said)),
        };
        const scope = { registry, repository, mountFrom, write: true };
        return await client.send(request, scope, signal, (each) =>
          http.read(each, MAX_RESPONSE_BYTES, signal),
        );
      } catch (error) {
        throw asRegistryError(error, registry);
      }
    },
  };
}

/** The error for a response that is none of those expected. */
export function refused(what: string, ...found: readonly string[]): StowageError {
  return new StowageError('registry-refused', `the registry did not accept ${what}`, {
    expected: 'a response as the OCI distribution specification defines it',
    found: found.filter((each) => each !== '').join(', '),
    hint: 'check the log of the registry: its storage may be full, or a size limit in front of it too small (try --chunk-size)',
  });
}

/** Undefined where the registry refused, or failed with one of these codes. */
export async function unlessRefused(
  sending: Promise<HttpResponse>,
  ...codes: readonly string[]
): Promise<HttpResponse | undefined> {
  try {
    return await sending;
  } catch (error) {
    const isExpected =
      error instanceof StowageError && ['registry-refused', ...codes].includes(error.code);
    if (isExpected) return undefined;
    throw error;
  }
}

/** The first code of an error body, such as `BLOB_UPLOAD_INVALID`; nothing that could be anything else. */
function codeOf(body: string): string {
  try {
    const { errors } = fieldsOf(JSON.parse(body));
    const code = textOf(fieldsOf(Array.isArray(errors) ? errors[0] : undefined)['code'], 64) ?? '';
    return /^[A-Z_]+$/.test(code) ? code : '';
  } catch {
    return '';
  }
}

/** What the HTTP client says of a source, said of a registry. */
function asRegistryError(error: unknown, registry: string): unknown {
  if (!(error instanceof StowageError)) return error;
  const { expected = '', found = '', hint, cause } = error;
  const details = { expected, found, hint, cause };
  if (error.code === 'source-unreachable')
    return new StowageError('registry-unreachable', `${registry} did not answer`, details);
  if (error.code === 'source-malformed')
    return new StowageError('registry-refused', error.message, details);
  return error;
}
