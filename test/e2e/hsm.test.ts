import { spawnSync } from 'node:child_process';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeCertificate } from '../../src/trust/certificate-file.ts';
import { issueCertificate } from '../../src/trust/certificate-issue.ts';
import { scratchFolder } from '../support/scratch.ts';
import { smallBundle } from '../support/small-bundle.ts';
import { type Holder, makeRoot, nextSerial, validity } from '../trust/authority.ts';
import { type Ran, stowage } from './cli.ts';

const MODULE = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
].find((path) => existsSync(path));
const PIN = '648219';
/** SubjectPublicKeyInfo of a P-384 key, up to its point (RFC 5480). */
const SPKI_PREFIX = '3076301006072a8648ce3d020106052b81040022036200';

const scratch = scratchFolder();
const root: Holder = makeRoot();
const signer = fileURLToPath(new URL('../../signing/pkcs11-sign.sh', import.meta.url));
let work: string;
let packed: string;
let env: NodeJS.ProcessEnv;

/** Runs a program that must exist and succeed. */
function must(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: work,
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  if (error !== undefined)
    throw new Error(`${program} cannot be run: test/lab/packages.sh installs it`, { cause: error });
  if (status !== 0) throw new Error(`${program} failed: ${stderr}${stdout}`);
  return stdout;
}

const token = (...args: readonly string[]): string => {
  const login = ['--login', '--pin', 'env:PKCS11_PIN'];
  return must(
    'pkcs11-tool',
    '--module',
    MODULE ?? '',
    '--token-label',
    'agency',
    ...login,
    ...args,
  );
};

/** The public key of the token: pkcs11-tool 0.23 prints its point but fails to export it. */
function tokenKey(): KeyObject {
  const listed = token('--list-objects', '--type', 'pubkey', '--label', 'release');
  const point = /^ *EC_POINT: *0461([0-9a-f]{194})$/m.exec(listed)?.[1] ?? '';
  const key = Buffer.from(SPKI_PREFIX + point, 'hex');
  return createPublicKey({ key, format: 'der', type: 'spki' });
}

beforeAll(async () => {
  if (MODULE === undefined)
    throw new Error('libsofthsm2.so is missing: test/lab/packages.sh installs it');
  work = scratch.fresh('hsm');
  mkdirSync(join(work, 'tokens'), { recursive: true });
  writeFileSync(join(work, 'softhsm2.conf'), `directories.tokendir = ${join(work, 'tokens')}\n`);
  env = { SOFTHSM2_CONF: join(work, 'softhsm2.conf'), PKCS11_PIN: PIN };
  const pins = ['--so-pin', '11223344', '--pin', PIN];
  must('softhsm2-util', '--init-token', '--free', '--label', 'agency', ...pins);
  const kind = ['--keypairgen', '--key-type', 'EC:secp384r1', '--usage-sign', '--sensitive'];
  token(...kind, '--label', 'release', '--id', '01');
  const certificate = issueCertificate({
    subject: { organization: 'Example Agency', commonName: 'Token Release' },
    publicKey: tokenKey(),
    issuer: root,
    authority: false,
    ...validity,
    serial: nextSerial(),
  });
  writeFileSync(join(work, 'root.pem'), encodeCertificate(root.certificate));
  writeFileSync(join(work, 'release.pem'), encodeCertificate(certificate));
  packed = (await smallBundle({ place: scratch.fresh() })).folder;
  rmSync(join(packed, 'signatures'), { recursive: true });
});

const run = (...args: readonly string[]): Promise<Ran> => stowage({ cwd: work, env }, ...args);

/** Both verifiers: Stowage and openssl. */
async function accepted(bundle: string, name: string): Promise<void> {
  const ours = await run('verify', bundle, '--trust', 'root.pem');
  expect(ours.stderr).not.toContain('error');
  expect(ours.json).toMatchObject({ verified: true });
  const file = join(bundle, 'signatures', name);
  const input = ['-inform', 'DER', '-in', file, '-content', join(bundle, 'SHA512SUMS')];
  const trust = ['-no-CApath', '-no-CAstore', '-CAfile', 'root.pem'];
  must('openssl', 'cms', '-verify', '-binary', ...trust, ...input, '-out', '/dev/null');
}

describe('when the key is in a token and cannot be exported', () => {
  it('was generated there, and is marked as not extractable', () => {
    const listed = token('--list-objects', '--type', 'privkey', '--label', 'release');
    expect(listed).toContain('sensitive, always sensitive, never extractable, local');
  });

  it.each([
    ['r and s', 'rs'],
    ['DER', 'openssl'],
  ])('signs a prepared request, and its signature as %s is attached', async (_, format) => {
    const bundle = scratch.copy(packed);
    const job = `job-${format}.json`;
    const prepared = await run('sign', bundle, '--certificate', 'release.pem', '--prepare', job);
    expect(prepared.status).toBe(0);
    must('openssl', 'dgst', '-sha384', '-binary', '-out', 'digest', `${job}.tbs`);
    const digest = readFileSync(join(work, 'digest'));
    expect(digest.toString('hex')).toBe(prepared.json.digest.value);
    const how = ['--sign', '--mechanism', 'ECDSA', '--signature-format', format];
    token(...how, '--label', 'release', '--input-file', 'digest', '--output-file', 'sig');
    const attached = await run('sign', bundle, '--attach', job, '--signature', 'sig');
    expect(attached.status).toBe(0);
    await accepted(bundle, 'token-release.p7s');
  });

  it('signs through the script in signing/, as an approval of a finished bundle', async () => {
    const bundle = scratch.copy(packed);
    const who = ['--certificate', 'release.pem', '--role', 'approval'];
    const given = [MODULE ?? '', 'agency', 'release'].flatMap((each) => [
      '--signer-argument',
      each,
    ]);
    const ran = await run('sign', bundle, ...who, '--signer-command', signer, ...given);
    expect(ran.json?.error).toBeUndefined();
    expect(ran.status).toBe(0);
    expect(readdirSync(join(bundle, 'signatures'))).toEqual(['approval-token-release.p7s']);
    expect(ran.stdout + ran.stderr).not.toContain(PIN);
    await accepted(bundle, 'approval-token-release.p7s');
  });

  it('writes no signature when the PIN is wrong', async () => {
    const bundle = scratch.copy(packed);
    const given = [MODULE ?? '', 'agency', 'release'].flatMap((each) => [
      '--signer-argument',
      each,
    ]);
    const who = ['--certificate', 'release.pem', '--signer-command', signer];
    const options = { cwd: work, env: { ...env, PKCS11_PIN: '000000' } };
    const ran = await stowage(options, 'sign', bundle, ...who, ...given);
    expect(ran.json.error.code).toBe('key-invalid');
    expect(ran.stderr).toContain('CKR_PIN_INCORRECT');
    expect(existsSync(join(bundle, 'signatures'))).toBe(false);
  });
});
