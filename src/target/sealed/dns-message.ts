/** A question of a DNS query (RFC 1035, section 4.1). */
export interface DnsQuestion {
  /** In lower case, without the final dot. */
  readonly name: string;
  readonly type: number;
}

/** The addresses that answer a question; none for a type that is not an address. */
export interface DnsAddresses {
  /** 4 bytes. */
  readonly a?: Uint8Array;
  /** 16 bytes. */
  readonly aaaa?: Uint8Array;
}

const HEADER_BYTES = 12;
const TYPE_A = 1;
const TYPE_AAAA = 28;
const CLASS_IN = 1;
const TTL_SECONDS = 60;

/** The only question of a query; undefined for anything else. Names in queries are never compressed. */
export function readQuestion(
  message: Buffer,
): (DnsQuestion & { readonly end: number }) | undefined {
  if (message.length < HEADER_BYTES + 5) return undefined;
  const isQuery = (message.readUInt8(2) & 0xf8) === 0;
  if (!isQuery || message.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (;;) {
    const length = message.at(at);
    if (length === undefined || length > 63 || at + length >= message.length) return undefined;
    at += 1;
    if (length === 0) break;
    labels.push(message.toString('latin1', at, at + length));
    at += length;
  }
  if (at + 4 > message.length) return undefined;
  const name = labels.join('.').toLowerCase();
  if (name.length > 253) return undefined;
  return { name, type: message.readUInt16BE(at), end: at + 4 };
}

/** An answer to a query that {@link readQuestion} read: addresses for A and AAAA, nothing for other types. */
export function writeAnswer(
  query: Buffer,
  { type, end }: { readonly type: number; readonly end: number },
  { a, aaaa }: DnsAddresses,
): Buffer {
  const data = type === TYPE_A ? a : type === TYPE_AAAA ? aaaa : undefined;
  const header = Buffer.from(query.subarray(0, HEADER_BYTES));
  // QR and RA, RD as asked, no error.
  header.writeUInt8(0x84 | (header.readUInt8(2) & 0x01), 2);
  header.writeUInt8(0x80, 3);
  header.writeUInt16BE(data === undefined ? 0 : 1, 6);
  header.writeUInt32BE(0, 8);
  const question = query.subarray(HEADER_BYTES, end);
  if (data === undefined) return Buffer.concat([header, question]);
  const record = Buffer.alloc(12);
  record.writeUInt16BE(0xc000 | HEADER_BYTES, 0);
  record.writeUInt16BE(type, 2);
  record.writeUInt16BE(CLASS_IN, 4);
  record.writeUInt32BE(TTL_SECONDS, 6);
  record.writeUInt16BE(data.length, 10);
  return Buffer.concat([header, question, record, data]);
}
