import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeCertificates } from '../src/trust/certificate-file.ts';
import { signDetached } from '../src/trust/cms-sign.ts';
import { decodePrivateKey } from '../src/trust/key.ts';
import { evaluateSignatures } from '../src/trust/policy.ts';
import { trustFromRoot } from '../src/trust/trust-root.ts';

const script = fileURLToPath(new URL('../signing/throwaway-ca.sh', import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'signing-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Signs and judges with what lies in a folder that the script made. */
function counted(place: string, passphrase?: Buffer): boolean | undefined {
  const read = (name: string): Buffer => readFileSync(join(place, name));
  const [root] = decodeCertificates(read('root.pem'));
  const [certificate] = decodeCertificates(read('release.pem'));
  if (root === undefined || certificate === undefined) throw new Error('no certificates');
  const key = decodePrivateKey(read('release.key.pem'), passphrase);
  const content = Buffer.from('a list of files\n');
  const now = new Date();
  const bytes = signDetached(content, { key, certificate }, now);
  const [verdict] = evaluateSignatures(
    trustFromRoot(root, now),
    'release',
    { content, signatures: [{ name: 'release.p7s', bytes }] },
    now,
  );
  return verdict?.counted;
}

describe('when an authority is made by signing/throwaway-ca.sh, with openssl alone', () => {
  it('is accepted, and leaves certificates and keys and nothing else', () => {
    const place = join(folder, 'plain');
    execFileSync(script, [place]);
    expect(counted(place)).toBe(true);
    expect(readdirSync(place).sort()).toEqual([
      'release.key.pem',
      'release.pem',
      'root.key.pem',
      'root.pem',
    ]);
  });

  it('is accepted with encrypted keys and a name in another script', () => {
    const place = join(folder, 'encrypted');
    const file = join(folder, 'passphrase');
    writeFileSync(file, 'open sesame\n', { mode: 0o600 });
    execFileSync(script, [place, 'Agence Nationale é', file]);
    expect(readFileSync(join(place, 'root.key.pem'), 'utf8')).toContain('ENCRYPTED');
    expect(counted(place, Buffer.from('open sesame'))).toBe(true);
  });

  it('touches nothing where there is something already', () => {
    expect(() => execFileSync(script, [folder], { stdio: 'ignore' })).toThrow();
  });
});
