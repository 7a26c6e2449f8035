import { describe, expect, it } from 'vitest';
import { checkDocument, readCanonical, writeCanonical } from '../../src/format/document.ts';
import { SIGNATURE_NAME, signingRequestKind } from '../../src/format/signing-request.ts';
import { expectCode } from '../support/error.ts';
import { bend, paths } from './bend.ts';
import { signingRequest } from './samples.ts';

const request = signingRequest();

describe('when a signing request is written', () => {
  it('is read back unchanged', () => {
    expect(readCanonical(signingRequestKind, writeCanonical(signingRequestKind, request))).toEqual(
      request,
    );
  });

  it.each(paths(request))('needs %s', async (path) => {
    await expectCode(
      () => checkDocument(signingRequestKind, bend(request, path, undefined)),
      'document-invalid',
    );
  });

  it.each<[string, unknown]>([
    ['bundle', 'AB'.repeat(64)],
    ['name', '../../etc/passwd'],
    ['name', 'a/b'],
    ['name', '.hidden'],
    ['name', 'x'.repeat(101)],
    ['name', 'ends\n'],
    ['signingTime', '2026-11-21T10:00:00.5Z'],
    ['algorithm', 'ecdsa-p256-sha256'],
    ['certificates.0', 'not base64'],
    ['certificates.0', 'MAA=A'],
    ['toBeSigned', ''],
    ['digest', { algorithm: 'sha384', value: 'cd'.repeat(64) }],
    ['digest', { algorithm: 'sha512', value: 'cd'.repeat(48) }],
    ['digest.algorithm', 'sha256'],
    ['pin', '648219'],
  ])('refuses %s: %j', async (path, value) => {
    await expectCode(
      () => checkDocument(signingRequestKind, bend(request, path, value)),
      'document-invalid',
    );
  });
});

describe('when a signature is named', () => {
  it.each(['a', '0', 'release', 'approval-a.b_c', 'x'.repeat(100)])('takes %s', (name) => {
    expect(SIGNATURE_NAME.test(name)).toBe(true);
  });
});
