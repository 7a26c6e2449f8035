import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { refuseSecrets, secretIn } from '../../src/build/secrets.ts';
import { READ_BUFFER_BYTES } from '../../src/core/limits.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
// Put together here, so that no scanner takes this file for a leak.
const token = ['hf', 'a1B2'.repeat(9)].join('_');

describe('when what is packed holds a secret (attack 119)', () => {
  const secrets: readonly [string, string, string][] = [
    ['a private key', pem, 'a private key'],
    ['an old private key', pem.replaceAll('PRIVATE', 'EC PRIVATE'), 'a private key'],
    ['a private key with CRLF', pem.replaceAll('\n', '\r\n'), 'a private key'],
    ['a Hub token', `token = "${token}"`, 'a Hugging Face token'],
    ['a GitHub token', ['ghp', 'x'.repeat(36)].join('_'), 'a GitHub token'],
    ['an NGC key', ['nvapi', 'x'.repeat(64)].join('-'), 'an NGC key'],
    ['an AWS key', `AKIA${'A2B3'.repeat(4)}`, 'an AWS access key'],
  ];

  it.each(secrets)('refuses %s, and does not show it', async (_, text, kind) => {
    const path = scratch.fresh('file');
    writeFileSync(path, `before\n${text}\nafter`);
    const error = await expectCode(() => refuseSecrets(path, 'files settings'), 'content-refused');
    expect(error.found).toBe(kind);
    expect(JSON.stringify([error.message, error.expected, error.found, error.hint])).not.toContain(
      text,
    );
  });

  it.each([-1000, -64, -1, 0, 1])(
    'sees one that lies %i bytes from where two reads meet',
    async (shift) => {
      const path = scratch.fresh('file');
      const bytes = Buffer.alloc(READ_BUFFER_BYTES + 4096, ' ');
      bytes.write(pem, READ_BUFFER_BYTES + shift);
      writeFileSync(path, bytes);
      await expectCode(() => refuseSecrets(path, 'files settings'), 'content-refused');
    },
  );

  const harmless: readonly [string, string][] = [
    ['a public key', publicKey.export({ type: 'spki', format: 'pem' }).toString()],
    ['the words alone', '-----BEGIN PRIVATE KEY-----\n(put yours here)\n'],
    ['a short placeholder', 'HF_TOKEN=hf_your_token'],
    ['nothing', ''],
  ];
  it.each(harmless)('lets %s pass', (_, text) => {
    expect(secretIn(Buffer.from(text))).toBeUndefined();
  });
});
