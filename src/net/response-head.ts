/** The head of an answer by HTTP/1.1. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: Headers;
  /** Bytes of the body; undefined where not Content-Length alone says where it ends. */
  readonly length: number | undefined;
  /** Whether another request may follow on the connection. */
  readonly keepAlive: boolean;
}

const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;

/**
 * Reads the head of an answer (RFC 9112, 4 and 5), strictly: undefined for whatever could be read in two ways.
 * @param text one character for each byte, without the empty line at its end
 */
export function readResponseHead(text: string): ResponseHead | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const status = Number(/^HTTP\/1\.1 ([2-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/.exec(first)?.[1]);
  if (Number.isNaN(status)) return undefined;
  const headers = new Headers();
  const lengths: string[] = [];
  for (const line of lines) {
    const [, name, value] = FIELD.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    if (name.toLowerCase() === 'content-length') lengths.push(value.trim());
    headers.append(name, value.trim());
  }
  const [length = ''] = lengths;
  const framed = headers.has('transfer-encoding') || headers.has('upgrade');
  if (lengths.length > 1 || (length !== '' && (framed || !/^\d{1,15}$/.test(length))))
    return undefined;
  const connection = (headers.get('connection') ?? 'keep-alive').trim().toLowerCase();
  return {
    status,
    headers,
    length: length === '' ? undefined : Number(length),
    keepAlive: connection === 'keep-alive',
  };
}
