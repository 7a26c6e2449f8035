import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  digestFromHex,
  digestHex,
  digestOf,
  hasSri,
  isDigest,
  isSri,
  parseDigest,
  type Sri,
  sriFromHex,
  sriHex,
  sriOf,
  srisFromHex,
} from '../../src/core/digest.ts';
import { expectCode } from '../support/error.ts';

const HEX = 'ab'.repeat(32);
const HEX_512 = 'cd'.repeat(64);
const SRI = sriFromHex(HEX_512);

describe('when a digest is read', () => {
  it.each([
    ['empty', ''],
    ['without an algorithm', HEX],
    ['of another algorithm', `sha512:${HEX_512}`],
    ['of an algorithm in upper case', `SHA256:${HEX}`],
    ['in upper case', `sha256:${HEX.toUpperCase()}`],
    ['one digit short', `sha256:${HEX.slice(1)}`],
    ['one digit long', `sha256:${HEX}0`],
    ['with a letter beyond f', `sha256:${HEX.slice(1)}g`],
    ['with a new line after it', `sha256:${HEX}\n`],
    ['with a space before it', ` sha256:${HEX}`],
    ['with a path in it', `sha256:../${HEX.slice(3)}`],
    ['with digits that are not ASCII', `sha256:${HEX.slice(1)}٣`],
  ])('refuses one %s', async (_, text) => {
    expect(isDigest(text)).toBe(false);
    const error = await expectCode(() => parseDigest(text), 'digest-malformed');
    expect(error.found).toBe(JSON.stringify(text));
  });

  it('shows at most one line of a refused value', async () => {
    const error = await expectCode(() => parseDigest('x'.repeat(10_000)), 'digest-malformed');
    expect(error.found?.length).toBeLessThan(200);
  });

  it('converts to hex and back', () => {
    expect(digestHex(parseDigest(`sha256:${HEX}`))).toBe(HEX);
    expect(digestFromHex(HEX)).toBe(`sha256:${HEX}`);
  });

  it('is the SHA-256 of bytes in memory', () => {
    expect(digestOf(new Uint8Array())).toBe(
      'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    );
  });
});

describe('when an integrity string is read', () => {
  it('reads a list as it reads each', async () => {
    const many = [HEX_512, 'ef'.repeat(64), '00'.repeat(64)];
    expect(srisFromHex(many)).toEqual(many.map(sriFromHex));
    for (const wrong of ['', 'AB'.repeat(64), `${HEX_512}00`, HEX_512.slice(1), 'g'.repeat(128)])
      await expectCode(() => srisFromHex([HEX_512, wrong]), 'digest-malformed');
    await expectCode(() => srisFromHex([`${HEX_512}0`, HEX_512.slice(1)]), 'digest-malformed');
  });

  it('accepts the canonical encoding and no other that decodes to the same bytes', () => {
    for (const last of 'ABQRgwz0/') {
      const text = `${SRI.slice(0, -3)}${last}==`;
      const bytes = Buffer.from(text.slice('sha512-'.length), 'base64');
      expect(isSri(text), text).toBe(`sha512-${bytes.toString('base64')}` === text);
    }
  });

  it.each([
    ['empty, which means no check to some', ''],
    ['of spaces alone', '  '],
    ['of an algorithm alone', 'sha512-'],
    ['of SHA-256', `sha256-${Buffer.from(HEX, 'hex').toString('base64')}`],
    ['of two hashes', `${SRI} ${SRI}`],
    ['with an option', `${SRI}?x`],
    ['with a space around it', ` ${SRI}`],
    ['with a new line after it', `${SRI}\n`],
    ['without its padding', SRI.slice(0, -2)],
    ['in the alphabet of addresses', `sha512-${'-_'.repeat(43)}==`],
    ['with junk in its base64', `sha512-!${SRI.slice(8)}`],
    ['one character short', `sha512-${SRI.slice(8)}`],
    ['of hex', `sha512-${HEX_512}`],
  ])('refuses one %s', (_, text) => {
    expect(isSri(text)).toBe(false);
  });

  it('refuses stray bits: of 16 last characters one is canonical', () => {
    const body = SRI.slice(0, -3);
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
    const taken = [...alphabet].filter((last) => isSri(`${body}${last}==`));
    expect(taken).toEqual(['A', 'Q', 'g', 'w']);
  });

  it.each(['', HEX_512.toUpperCase(), HEX_512.slice(1), `${HEX_512}0`, `${HEX_512}\n`])(
    'refuses %j as hex',
    async (hex) => {
      await expectCode(() => sriFromHex(hex), 'digest-malformed');
    },
  );

  it('converts any bytes to hex and back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const hex = createHash('sha512').update(bytes).digest('hex');
        expect(sriHex(sriOf(bytes))).toBe(hex);
        expect(sriFromHex(hex)).toBe(sriOf(bytes));
        expect(isSri(sriOf(bytes))).toBe(true);
      }),
    );
  });
});

describe('when bytes are compared with a sum (attack 79)', () => {
  const bytes = Buffer.from('content');
  const right = sriOf(bytes);
  const other = sriOf(Buffer.from('other'));
  const sha256 = `sha256-${createHash('sha256').update(bytes).digest('base64')}`;

  it('accepts the sum of these bytes, and of no others', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (one, another) => {
        expect(hasSri(one, sriOf(one))).toBe(true);
        expect(hasSri(one, sriOf(another))).toBe(Buffer.from(one).equals(another));
      }),
    );
  });

  it.each([
    ['an empty sum', ''],
    ['white space', ' '],
    ['no sum', 'sha512-'],
    ['a list of which one matches', `${other} ${right}`],
    ['the right sum twice', `${right} ${right}`],
    ['a right sum of a weaker algorithm', sha256],
    ['a right sum with options', `${right}?x`],
    ['a right sum without its padding', right.slice(0, -2)],
    ['an algorithm that does not exist', right.replace('sha512', 'sha999')],
  ])('does not accept %s', (_, sum) => {
    expect(hasSri(bytes, sum as Sri)).toBe(false);
  });
});
