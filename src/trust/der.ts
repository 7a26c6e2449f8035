import forge from 'node-forge';
import { StowageError } from '../core/error.ts';
import { counted } from '../core/text.ts';
import { layoutDefect } from './der-layout.ts';

/** One DER value (X.690). Values are immutable. */
export interface Der {
  /** The identifier octet: class, constructed bit and number. */
  readonly tag: number;
  /** The content octets, without tag and length. */
  readonly content: Buffer;
  /** The values inside a constructed value; empty for a primitive one. */
  readonly children: readonly Der[];
  /** The whole encoding. */
  readonly bytes: Buffer;
}

/** Makes the error for malformed bytes. */
export type Refuse = (defect: string) => StowageError;

const CLASS = 0xc0;
const CONSTRUCTED = 0x20;

// Bit strings are octets here: forge must not guess whether they contain further values.
const STRICT = { strict: true, parseAllBytes: true, decodeBitStrings: false };
const fromDer = forge.asn1.fromDer as unknown as (
  bytes: string,
  options: typeof STRICT,
) => forge.asn1.Asn1;

/**
 * Parses bytes that are exactly one DER value. The value is encoded again and compared, so it has one encoding only.
 * @param maxBytes limit on the length, checked before anything is parsed
 * @throws the error that `refuse` makes
 */
export function parseDer(bytes: Uint8Array, maxBytes: number, refuse: Refuse): Der {
  if (bytes.length > maxBytes)
    throw refuse(`${counted(bytes.length, 'byte')}, more than ${maxBytes}`);
  if (bytes.length === 0) throw refuse('no bytes');
  const defect = layoutDefect(bytes);
  if (defect !== undefined) throw refuse(defect);
  const value = read(Buffer.from(bytes), refuse);
  if (!value.bytes.equals(bytes)) throw refuse('an encoding that is not DER');
  return value;
}

/** A primitive value with these content octets. */
export function primitive(tag: number, content: Uint8Array): Der {
  const octets = Buffer.from(content);
  return { tag, content: octets, children: [], bytes: encode(tag, octets) };
}

/** A constructed value of other values, in the given order. */
export function constructed(tag: number, children: readonly Der[]): Der {
  const content = Buffer.concat(children.map((child) => child.bytes));
  return { tag: tag | CONSTRUCTED, content, children, bytes: encode(tag | CONSTRUCTED, content) };
}

/** The content octets of an object identifier in dotted form. */
export function encodeOid(dotted: string): Buffer {
  return Buffer.from(forge.asn1.oidToDer(dotted).getBytes(), 'latin1');
}

/** The dotted form of an object identifier's content octets; undefined if they are not its canonical encoding. */
export function decodeOid(content: Buffer): string | undefined {
  try {
    const dotted = forge.asn1.derToOid(content.toString('latin1'));
    return encodeOid(dotted).equals(content) ? dotted : undefined;
  } catch {
    return undefined;
  }
}

function read(bytes: Buffer, refuse: Refuse): Der {
  try {
    return convert(fromDer(bytes.toString('latin1'), STRICT));
  } catch {
    throw refuse('an encoding that is not DER');
  }
}

function convert(node: forge.asn1.Asn1): Der {
  const tag = node.tagClass | node.type;
  return typeof node.value === 'string'
    ? primitive(tag, Buffer.from(node.value, 'latin1'))
    : constructed(tag, node.value.map(convert));
}

// The type includes the constructed bit, and forge writes it unchanged.
function encode(tag: number, content: Buffer): Buffer {
  const node = forge.asn1.create(tag & CLASS, tag & ~CLASS, false, content.toString('latin1'));
  const bytes = Buffer.from(forge.asn1.toDer(node).getBytes(), 'latin1');
  if (bytes.subarray(bytes.length - content.length).equals(content) && sized(bytes, content))
    return bytes;
  throw new StowageError('internal', 'a DER value whose content has a shorter form', {
    hint: 'report this with the file that was being read or written',
  });
}

// forge drops a redundant leading octet from any value with the tag number of an integer.
function sized(bytes: Buffer, content: Buffer): boolean {
  const more = content.length < 0x80 ? 0 : Math.ceil((32 - Math.clz32(content.length)) / 8);
  return bytes.length === 2 + more + content.length;
}
