/** What the first bytes of a connection tell about its destination. */
export interface FirstBytes {
  /** The server name of a TLS ClientHello (RFC 6066, section 3). */
  readonly sni?: string;
  /** The host of a plain HTTP request, without its port. */
  readonly host?: string;
  /** Its method and path, without the query. */
  readonly path?: string;
}

/** How many bytes are read of a connection. */
export const MAX_FIRST_BYTES = 16_384;
const MAX_NAME = 253;
const MAX_PATH = 200;

/**
 * Reads what a client sent.
 * @returns undefined while more bytes may tell more
 */
export function readFirstBytes(bytes: Buffer): FirstBytes | undefined {
  if (bytes.length === 0) return undefined;
  return bytes[0] === 0x16 ? readClientHello(bytes) : readRequest(bytes);
}

/** TLS 1.3 (RFC 8446, section 4.1.2), in one record or several. */
function readClientHello(bytes: Buffer): FirstBytes | undefined {
  const records: Buffer[] = [];
  for (let at = 0; at + 5 <= bytes.length && bytes[at] === 0x16; ) {
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    records.push(bytes.subarray(at + 5, end));
    at = end;
  }
  const hello = Buffer.concat(records);
  if (hello.length < 4) return undefined;
  if (hello[0] !== 1) return {};
  const end = 4 + hello.readUIntBE(1, 3);
  if (hello.length < end) return bytes.length >= MAX_FIRST_BYTES ? {} : undefined;
  const reader = new Reader(hello.subarray(4, end));
  reader.skip(2 + 32);
  reader.skip(reader.number(1));
  reader.skip(reader.number(2));
  reader.skip(reader.number(1));
  const extensions = new Reader(reader.take(reader.number(2)));
  while (extensions.left > 4) {
    const type = extensions.number(2);
    const body = new Reader(extensions.take(extensions.number(2)));
    if (type !== 0) continue;
    body.skip(3);
    const name = body.take(body.number(2)).toString('latin1').toLowerCase();
    return /^[a-z0-9._-]+$/.test(name) && name.length <= MAX_NAME ? { sni: name } : {};
  }
  return {};
}

/** Reads lengths that a stranger wrote: what is not there reads as nothing. */
class Reader {
  #at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  take(length: number): Buffer {
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at = Math.min(this.#bytes.length, this.#at + length);
    return taken;
  }

  skip(length: number): void {
    this.take(length);
  }

  number(bytes: number): number {
    const taken = this.take(bytes);
    return taken.length === bytes ? taken.readUIntBE(0, bytes) : 0;
  }
}

function readRequest(bytes: Buffer): FirstBytes | undefined {
  const text = bytes.toString('latin1');
  if (!/^[A-Z]{1,16}(?: |$)/.test(text)) return {};
  if (!text.includes('\r\n\r\n') && bytes.length < MAX_FIRST_BYTES) return undefined;
  const [first = '', ...lines] = text.split('\r\n');
  const [, method = '', target = ''] = /^([A-Z]+) (\S+) HTTP\//.exec(first) ?? [];
  if (target === '') return {};
  const header =
    lines
      .find((line) => /^host:/i.test(line))
      ?.slice(5)
      .trim() ?? '';
  const host = header
    .toLowerCase()
    .replace(/:[0-9]+$/, '')
    .replace(/^\[(.*)\]$/, '$1');
  const path = `${method} ${target.replace(/[?#].*$/s, '')}`.slice(0, MAX_PATH);
  return {
    ...(/^[a-z0-9._:-]+$/.test(host) && host.length <= MAX_NAME ? { host } : {}),
    path: path.replace(/[^\x20-\x7e]/g, '?'),
  };
}
