import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { requireUsable, type TlsFiles } from '../../src/depot/listener.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();

/** A certificate of openssl with its key. */
function made(...algorithm: readonly string[]): TlsFiles {
  const folder = scratch.fresh('tls');
  mkdirSync(folder);
  const [certificate, key] = [join(folder, 'crt'), join(folder, 'key')];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-nodes', '-days', '2', '-subj', '/CN=depot', '-newkey', ...algorithm],
      ...['-keyout', key, '-out', certificate],
    ],
    { stdio: 'ignore' },
  );
  return { certificate: readFileSync(certificate), key: readFileSync(key) };
}

const p256 = made('ec', '-pkeyopt', 'ec_paramgen_curve:P-256');

describe('when the depot serves TLS', () => {
  it('accepts a certificate and its key', () => {
    expect(() => requireUsable(p256)).not.toThrow();
  });

  it.each([
    ['of the same kind', made('ec', '-pkeyopt', 'ec_paramgen_curve:P-256').key],
    ['of another kind', made('ed25519').key],
    ['that is none', Buffer.from('none')],
  ])('refuses the certificate with a key %s', async (_, key) => {
    await expectCode(() => requireUsable({ ...p256, key }), 'document-invalid');
  });
});
