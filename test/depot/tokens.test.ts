import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTokens, plainToken } from '../../src/depot/tokens.ts';
import { expectCode } from '../support/error.ts';

const secret = 'a-token-of-some-length';
const hash = createHash('sha256').update('another-token-of-ours').digest('hex');
const tokens = parseTokens(`# who may ask\n\nana:${secret}\nben:sha256=${hash}\r\n`);
const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;

describe('when a request has a token', () => {
  it.each([
    [`Bearer ${secret}`, 'ana'],
    [`bearer ${secret}`, 'ana'],
    ['Bearer another-token-of-ours', 'ben'],
    [basic(`ana:${secret}`), 'ana'],
    [basic('ben:another-token-of-ours'), 'ben'],
    [basic(`ben:${secret}`), undefined],
    [basic(`:${secret}`), undefined],
    [basic(secret), undefined],
    [`Bearer ${hash}`, undefined],
    [`Bearer sha256=${hash}`, undefined],
    [`Bearer ${secret} `, undefined],
    [`Bearer ${secret}x`, undefined],
    [`Digest ${secret}`, undefined],
    [secret, undefined],
    ['Bearer', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('takes %s for %s', (header, holder) => {
    expect(tokens.holder(header)).toBe(holder);
  });

  it('accepts nothing else', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(tokens.holder(text)).toBeUndefined();
        expect(tokens.holder(`Bearer ${text}`)).toBeUndefined();
        expect(tokens.holder(basic(text))).toBeUndefined();
      }),
    );
  });
});

describe('when a token file is read', () => {
  it.each([
    ['is empty', ''],
    ['holds comments alone', '# a:b\n'],
    ['has a token without a name', secret],
    ['has a short token', 'ana:short'],
    ['has a hash of the wrong length', 'ana:sha256=00'],
    ['has a name with a space', `an a:${secret}`],
  ])('refuses one that %s, without a word of it', async (_, text) => {
    const error = await expectCode(async () => parseTokens(text), 'document-invalid');
    expect(JSON.stringify([error.message, error.found, error.defects])).not.toContain(secret);
  });
});

describe('when a token is printed for clients', () => {
  it.each([
    [`# ana:${secret}\n\nben:sha256=${hash}\r\neve:${secret}\r\n`, { name: 'eve', token: secret }],
    [`ana: ${secret} `, { name: 'ana', token: secret }],
    [`ben:sha256=${hash}\n`, undefined],
    [secret, undefined],
    ['', undefined],
  ])('takes the first that is no hash of %j', (text, found) => {
    expect(plainToken(text)).toEqual(found);
  });
});
