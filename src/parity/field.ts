/**
 * Arithmetic in GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d) and the generator 2, as in RAID-6 and
 * QR codes. Elements are integers from 0 to 255; addition is exclusive or.
 */

const POLYNOMIAL = 0x11d;
const EXP = new Uint8Array(510);
const LOG = new Uint8Array(256);

for (let power = 0, value = 1; power < 255; power++) {
  EXP[power] = value;
  EXP[power + 255] = value;
  LOG[value] = power;
  value <<= 1;
  if (value > 255) value ^= POLYNOMIAL;
}

export function multiply(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  return EXP[(LOG[a] ?? 0) + (LOG[b] ?? 0)] ?? 0;
}

/** The multiplicative inverse. @throws RangeError for zero */
export function invert(a: number): number {
  if (a === 0) throw new RangeError('zero has no inverse');
  return EXP[255 - (LOG[a] ?? 0)] ?? 0;
}
