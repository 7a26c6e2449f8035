/** One request, without redirects and retries. */
export interface ExchangeRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | Upload | undefined;
  readonly signal: AbortSignal;
  /** Whether a server chose the host, and not the user. Its name must not resolve to this machine. */
  readonly redirected?: boolean | undefined;
}

/** A request body that is read while it is sent, and opened again for another try. */
export interface Upload {
  /** Bytes. */
  readonly size: number;
  /** What it throws as a StowageError, the request throws too: the local content could not be read. */
  open(): AsyncIterable<Uint8Array>;
}

/** The body of a response: read it to its end, stop reading, or discard it. */
export interface ExchangeBody {
  /** Undecoded; closes the connection when it is not read to its end. */
  readonly body: AsyncIterable<Uint8Array>;
  readonly discard: () => void;
}

export interface ExchangeResponse extends ExchangeBody {
  readonly status: number;
  readonly headers: Headers;
}

/** Sends a request. Rejects with the system's error when the connection fails. */
export type Transport = (request: ExchangeRequest) => Promise<ExchangeResponse>;

/** No environment variable turns certificate checks off. */
export const verifyCertificates = { rejectUnauthorized: true } as const;

/** The host of an address as sockets take it: an IPv6 address without brackets. */
export function socketHost({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

/** The head of an HTTP/1.1 response. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: Headers;
  /** Bytes of the body; undefined where Content-Length alone does not frame it. */
  readonly length: number | undefined;
  /** Whether another request may follow on the connection. */
  readonly keepAlive: boolean;
}

const STATUS_LINE = /^HTTP\/1\.1 ([2-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const FIELD_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;

/**
 * Reads the head of a response (RFC 9112, 4 and 5). Undefined for whatever could be read in two ways.
 * @param text one character for each byte, without the empty line at its end
 */
export function readResponseHead(text: string): ResponseHead | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const status = Number(STATUS_LINE.exec(first)?.[1]);
  if (Number.isNaN(status)) return undefined;
  const headers = new Headers();
  const lengths: string[] = [];
  for (const line of lines) {
    const [, name, text] = FIELD_LINE.exec(line) ?? [];
    if (name === undefined || text === undefined) return undefined;
    const value = text.replace(/[ \t]+$/, '');
    if (name.toLowerCase() === 'content-length') lengths.push(value);
    headers.append(name, value);
  }
  const [length] = lengths;
  const isFramedOtherwise = headers.has('transfer-encoding') || headers.has('upgrade');
  if (lengths.length > 1) return undefined;
  if (length !== undefined && (isFramedOtherwise || !/^\d{1,15}$/.test(length))) return undefined;
  const connection = (headers.get('connection') ?? 'keep-alive').trim().toLowerCase();
  return {
    status,
    headers,
    length: length === undefined ? undefined : Number(length),
    keepAlive: connection === 'keep-alive',
  };
}
