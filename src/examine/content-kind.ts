import { decodeHeader } from '../io/ustar.ts';
import type { Compression } from './compressed.ts';

/** The type of content, detected from its first bytes and never from its name. */
export type ContentKind =
  | { readonly kind: 'safetensors' | 'gguf' | 'zip' | 'tar' | 'npy' | 'other' }
  | { readonly kind: 'compressed'; readonly by: Compression }
  /** A container whose content is not examined. */
  | { readonly kind: 'opaque'; readonly name: string }
  | { readonly kind: 'native'; readonly name: string }
  | { readonly kind: 'hdf5' };

/** How many bytes {@link contentKind} needs. */
export const HEAD_BYTES = 512;
/** Maximum size of a header in the safetensors format, in bytes. */
export const MAX_SAFETENSORS_HEADER = 100_000_000;

const OPAQUE: readonly (readonly [string, string])[] = [
  ['425a68..314159265359', 'bzip2 data'],
  ['425a68..177245385090', 'bzip2 data'],
  ['fd377a585a00', 'xz data'],
  ['5d0000....ffffffffffffffff', 'LZMA data'],
  ['5d0000..............000000', 'LZMA data'],
  ['377abcaf271c', 'a 7-Zip archive'],
  ['526172211a07', 'a RAR archive'],
  ['04224d18', 'LZ4 data'],
  ['02214c18', 'LZ4 data'],
  ['4c5a4950', 'lzip data'],
  ['1f9d', 'compress data'],
  ['1fa0', 'compress data'],
  ['4d53434600000000', 'a cabinet'],
  ['213c617263683e0a', 'an ar archive'],
];

const NATIVE: readonly (readonly [string, string])[] = [
  ['7f454c46', 'an ELF program'],
  ['cffaedfe', 'a Mach-O program'],
  ['cefaedfe', 'a Mach-O program'],
  ['cafebabe', 'a Mach-O program or Java class'],
  ['0061736d', 'a WebAssembly program'],
];

export function contentKind(head: Buffer, size: number): ContentKind {
  const hex = head.toString('hex', 0, 64);
  const text = head.toString('latin1', 0, 8);
  if (text.startsWith('GGUF')) return { kind: 'gguf' };
  if (text.startsWith('\x93NUMPY')) return { kind: 'npy' };
  if (hex.startsWith('894844460d0a1a0a')) return { kind: 'hdf5' };
  if (isSafetensors(head, size)) return { kind: 'safetensors' };
  if (hex.startsWith('504b0304') || hex.startsWith('504b0506')) return { kind: 'zip' };
  if (hex.startsWith('1f8b')) return { kind: 'compressed', by: 'gzip' };
  if (hex.startsWith('28b52ffd') || /^5.2a4d18/.test(hex))
    return { kind: 'compressed', by: 'zstd' };
  const opaque = OPAQUE.find(([magic]) => matches(hex, magic));
  if (opaque !== undefined) return { kind: 'opaque', name: opaque[1] };
  const native = NATIVE.find(([magic]) => matches(hex, magic))?.[1] ?? portable(head);
  if (native !== undefined) return { kind: 'native', name: native };
  if (decodeHeader(head) !== undefined) return { kind: 'tar' };
  if (isZlib(head)) return { kind: 'compressed', by: 'zlib' };
  return { kind: 'other' };
}

function matches(hex: string, magic: string): boolean {
  if (hex.length < magic.length) return false;
  return [...magic].every((digit, at) => digit === '.' || digit === hex[at]);
}

function isSafetensors(head: Buffer, size: number): boolean {
  if (head.length < 9 || head[8] !== 0x7b) return false;
  const length = head.readBigUInt64LE(0);
  return length <= BigInt(MAX_SAFETENSORS_HEADER) && length + 8n <= BigInt(size);
}

/** A Windows program: `MZ`, and `PE` at the offset that is stored at byte 60. */
function portable(head: Buffer): string | undefined {
  if (head.length < 64 || head.toString('latin1', 0, 2) !== 'MZ') return undefined;
  const at = head.readUInt32LE(60);
  return head.toString('latin1', at, at + 4) === 'PE\0\0' ? 'a Windows program' : undefined;
}

/** A common zlib header (RFC 1950), followed by a byte that does not occur in text. */
function isZlib(head: Buffer): boolean {
  if (head.length < 8 || head[0] !== 0x78 || ![0x01, 0x5e, 0x9c, 0xda].includes(head[1] ?? 0))
    return false;
  return head.subarray(0, 64).some((byte) => byte < 9 || byte > 0x7e);
}
