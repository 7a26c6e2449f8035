import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BLOCK_BYTES,
  decodeHeader,
  decodeLongName,
  decodePax,
  encodeHeader,
  padding,
  type UstarEntry,
  type UstarStyle,
} from '../../src/io/ustar.ts';

const LARGEST_OCTAL = 8 ** 11 - 1;
const styles: readonly UstarStyle[] = [
  { paxName: '././@PaxHeader', paxMode: 0o644, devices: true },
  { paxName: 'pax', paxMode: 0o444, devices: false },
];

const anyEntry: fc.Arbitrary<UstarEntry> = fc.record({
  path: fc
    .oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }),
      fc.stringMatching(/^[a-z/]{95,130}$/),
      fc.stringMatching(/^[a-z/]{960,1010}$/),
    )
    .map((path) => path.replace(/[\0\n]/g, '_'))
    .filter((path) => path !== ''),
  size: fc.oneof(
    fc.nat(),
    fc.constantFrom(0, 511, 512, LARGEST_OCTAL, LARGEST_OCTAL + 1, 2 ** 40),
    fc.maxSafeNat(),
  ),
  mode: fc.constantFrom(0o444, 0o644, 0o755),
  kind: fc.constantFrom('0', '5'),
});

/** What a reader makes of a header, with the extended one before it if there is one. */
function decoded(header: Buffer): UstarEntry | undefined {
  const first = decodeHeader(header.subarray(0, BLOCK_BYTES));
  if (first?.size === undefined) return undefined;
  const records =
    first.kind === 'x'
      ? decodePax(header.subarray(BLOCK_BYTES, BLOCK_BYTES + first.size))
      : ({} as const);
  const last = decodeHeader(header.subarray(-BLOCK_BYTES));
  if (records === undefined || last?.size === undefined) return undefined;
  return {
    path: records.path ?? last.name,
    size: records.size ?? last.size,
    mode: Number.parseInt(last.mode, 8),
    kind: last.kind as UstarEntry['kind'],
  };
}

describe.each(styles)('when headers are written in the style of $paxName', (style) => {
  it('are read back unchanged, for any name and size', () => {
    fc.assert(
      fc.property(anyEntry, (entry) => {
        const header = encodeHeader(entry, style);
        expect(header.length % BLOCK_BYTES).toBe(0);
        expect(decoded(header)).toEqual(entry);
      }),
    );
  });

  it('have a checksum that detects every changed byte', () => {
    const header = encodeHeader({ path: 'a/b', size: 5, mode: 0o644, kind: '0' }, style);
    for (let at = 0; at < BLOCK_BYTES; at += 1) {
      // A sum that is written with other spaces is the same sum.
      if (at >= 148 && at < 156) continue;
      const bent = Buffer.from(header);
      bent[at] = (bent[at] ?? 0) ^ 1;
      expect(decodeHeader(bent), `byte ${at}`).toBeUndefined();
    }
  });
});

describe('when the header is foreign', () => {
  const plain = (): Buffer =>
    encodeHeader({ path: 'name', size: 7, mode: 0o644, kind: '0' }, styles[0] as UstarStyle);
  const summed = (header: Buffer): Buffer => {
    header.write('        ', 148);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return header;
  };

  it('joins the prefix of a ustar name', () => {
    const header = plain();
    header.write('folder/below', 345);
    expect(decodeHeader(summed(header))?.name).toBe('folder/below/name');
  });

  it('does not use that field of an old tar as a prefix', () => {
    const header = plain();
    header.write('folder/below', 345);
    header.fill(0, 257, 265);
    expect(decodeHeader(summed(header))?.name).toBe('name');
  });

  it.each([
    [8n * 2n ** 30n, 8 * 2 ** 30],
    [2n ** 53n - 1n, 2 ** 53 - 1],
    [2n ** 53n, undefined],
    [2n ** 64n - 1n, undefined],
  ])('reads the size %i in base 256 as %s', (size, read) => {
    const header = plain();
    header.fill(0, 124, 136);
    header[124] = 0x80;
    header.writeBigUInt64BE(size, 128);
    expect(decodeHeader(summed(header))).toMatchObject({ size: read });
  });

  it('reads a size padded with spaces, and none if it is not a number', () => {
    const header = plain();
    header.write('       0012 ', 124);
    expect(decodeHeader(summed(header))?.size).toBe(10);
    header.write('00000000009\0', 124);
    expect(decodeHeader(summed(header))?.size).toBeUndefined();
  });

  it.each([0, 1, 511])('finds no header in %i bytes, nor in zeros', (length) => {
    expect(decodeHeader(plain().subarray(0, length))).toBeUndefined();
    expect(decodeHeader(Buffer.alloc(BLOCK_BYTES))).toBeUndefined();
  });

  it('reads a long name up to its NUL', () => {
    expect(decodeLongName(Buffer.from('a/ü\0rest'))).toBe('a/ü');
    expect(decodeLongName(Buffer.from('a'))).toBe('a');
  });
});

describe('when extended records are read', () => {
  it.each([
    ['12 path=a b\n', { path: 'a b' }],
    ['10 size=7\n', { size: 7 }],
    ['10 size=7\n10 path=a\n', { size: 7, path: 'a' }],
    ['15 comment=abc\n', {}],
    ['', {}],
  ])('finds %j as %j', (text, found) => {
    const body = Buffer.from(text);
    expect(decodePax(body)).toEqual(found);
  });

  it.each([
    'path=a\n',
    '99 path=a\n',
    '0 path=a\n',
    '2 path=a\n',
    '-9 path=a\n',
    '1e1 path=a\n',
    '11 size=-7\n',
    '13 size=0x10\n',
    '26 size=99999999999999999\n',
    '10 path=a\nx',
  ])('refuses %j', (text) => {
    expect(decodePax(Buffer.from(text))).toBeUndefined();
  });

  it('never throws, and always ends', () => {
    const records = fc.stringMatching(/^(?:[0-9]{1,3} (?:path|size)=[a-z0-9]{0,8}\n?){0,6}$/);
    const any = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      records.map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(any, (bytes) => {
        const { path = '', size = 0 } = decodePax(Buffer.from(bytes)) ?? {};
        expect(path.length).toBeLessThanOrEqual(bytes.length);
        expect(Number.isSafeInteger(size) && size >= 0).toBe(true);
      }),
    );
  });
});

describe('when a file ends', () => {
  it.each([
    [0, 0],
    [1, 511],
    [511, 1],
    [512, 0],
    [513, 511],
  ])('fills %i bytes up with %i', (size, zeros) => {
    expect(padding(size)).toHaveLength(zeros);
  });
});
