import { describe, expect, it } from 'vitest';
import { MAX_TRUST_BYTES } from '../../src/core/limits.ts';
import { decodeCertificates, encodeCertificate } from '../../src/trust/certificate-file.ts';
import { encodePrivateKey } from '../../src/trust/key.ts';
import { expectCode } from '../support/error.ts';
import { makeRoot, makeSigner } from './authority.ts';

const root = makeRoot();
const signer = makeSigner(root);
const pem = encodeCertificate(signer.certificate);
const read = (text: string): string[] =>
  decodeCertificates(Buffer.from(text)).map(({ fingerprint }) => fingerprint);

describe('when a file holds certificates', () => {
  const { fingerprint } = signer.certificate;

  it('reads DER, PEM, and several in PEM', () => {
    expect(decodeCertificates(signer.certificate.der)[0]?.fingerprint).toBe(fingerprint);
    expect(read(pem)).toEqual([fingerprint]);
    const both = read(pem + encodeCertificate(root.certificate));
    expect(both).toEqual([fingerprint, root.certificate.fingerprint]);
  });

  it('reads PEM of other tools', () => {
    expect(read(`Certificate:\n    Data:\n${pem.replaceAll('\n', '\r\n')}\n\n`)).toEqual([
      fingerprint,
    ]);
  });
});

describe('when a file holds anything else', () => {
  it.each([
    ['nothing', ''],
    ['text', 'hello'],
    ['a private key beside the certificate', pem + encodePrivateKey(signer.key)],
    ['a block without an end', pem.slice(0, -10)],
    ['base64 with junk', pem.replace('\nMII', '\n*II')],
    ['base64 with stray bits', '-----BEGIN CERTIFICATE-----\nMAB=\n-----END CERTIFICATE-----\n'],
    ['an empty block', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'],
    ['two megabytes', '-'.repeat(2 << 20)],
    ['a hundred thousand blocks', '-----BEGIN X-----\n-----END X-----\n'.repeat(30_000)],
  ])('refuses %s', async (_, text) => {
    await expectCode(() => read(text), 'certificate-invalid');
  });

  it('reports a private key', async () => {
    const key = encodePrivateKey(signer.key);
    const error = await expectCode(() => read(pem + key), 'certificate-invalid');
    expect(error.found).toBe('a block of PRIVATE KEY');
  });

  it('has the documented size limit', async () => {
    expect(read(pem.padEnd(MAX_TRUST_BYTES, '\n'))).toHaveLength(1);
    const large = pem.padEnd(MAX_TRUST_BYTES + 1, '\n');
    const error = await expectCode(() => read(large), 'certificate-invalid');
    expect(error.found).toBe(`a file of ${MAX_TRUST_BYTES + 1} bytes`);
  });
});
