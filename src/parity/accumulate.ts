import { multiply } from './field.ts';

// Tables of products of two bytes: 128 KiB for each factor in use, 32 MiB at most.
const TABLES: (Uint16Array | undefined)[] = [];

/**
 * Adds `factor` times `input` to `sum`, byte by byte in GF(2^8). Both must be aligned to 4 bytes; if `input` is shorter
 * than `sum`, it is padded with zeros.
 */
export function accumulate(sum: Uint8Array, input: Uint8Array, factor: number): void {
  if (factor === 0) return;
  const length = Math.min(sum.length, input.length);
  const words = length >> 2;
  const out = new Uint32Array(sum.buffer, sum.byteOffset, words);
  const from = new Uint32Array(input.buffer, input.byteOffset, words);
  if (factor === 1) {
    for (let at = 0; at < words; at++) out[at] = (out[at] as number) ^ (from[at] as number);
  } else {
    const table = tableOf(factor);
    for (let at = 0; at < words; at++) {
      const value = from[at] as number;
      const low = table[value & 0xffff] as number;
      const high = table[value >>> 16] as number;
      out[at] = (out[at] as number) ^ (low | (high << 16));
    }
  }
  for (let at = words << 2; at < length; at++) {
    sum[at] = (sum[at] ?? 0) ^ multiply(factor, input[at] ?? 0);
  }
}

function tableOf(factor: number): Uint16Array {
  const known = TABLES[factor];
  if (known !== undefined) return known;
  const single = Uint8Array.from({ length: 256 }, (_, value) => multiply(factor, value));
  const table = Uint16Array.from(
    { length: 65_536 },
    (_, value) => (single[value & 0xff] ?? 0) | ((single[value >> 8] ?? 0) << 8),
  );
  TABLES[factor] = table;
  return table;
}
