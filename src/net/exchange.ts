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
