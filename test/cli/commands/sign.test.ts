import { createPrivateKey, sign as signBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { encodePrivateKey } from '../../../src/trust/key.ts';
import { type Ran, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { makeAuthority, smallBundle } from '../../support/small-bundle.ts';
import { tree } from '../../support/tree.ts';
import { makeRoot, makeSigner } from '../../trust/authority.ts';

const scratch = scratchFolder();
const authority = makeAuthority();
const pem = encodePrivateKey(authority.signer.key);
let packed: string;

beforeAll(async () => {
  packed = (await smallBundle({ place: scratch.fresh(), authority })).folder;
});

/** A folder with a bundle, its root, a certificate and its key. */
function desk(): string {
  const place = scratch.fresh();
  mkdirSync(place);
  writeFileSync(join(place, 'root.pem'), encodeCertificate(authority.root));
  writeFileSync(join(place, 'release.pem'), encodeCertificate(authority.signer.certificate));
  writeFileSync(join(place, 'release.key.pem'), pem);
  return place;
}

let bundle: string;
const run = (place: string, ...args: readonly string[]): Promise<Ran> => {
  bundle = scratch.copy(packed);
  return again(place, ...args);
};
const again = (place: string, ...args: readonly string[]): Promise<Ran> =>
  runProgram(['sign', bundle, ...args], place, { env: { PATH: process.env['PATH'] } });
const signatures = (): string[] => readdirSync(join(bundle, 'signatures')).toSorted();
const byKey = ['--key', 'release.key.pem', '--certificate', 'release.pem'];

describe('when the key is in a file', () => {
  it('names the signature after the role and the certificate', async () => {
    const place = desk();
    const ran = await run(place, ...byKey);
    expect(ran.status).toBe(0);
    expect(ran.stdout).toMatch(/signed by O=.+\n {2}certificate [0-9a-f]+, issued by O=.+\n/);
    expect((await again(place, ...byKey, '--role', 'approval')).status).toBe(0);
    expect((await again(place, ...byKey, '--name', 'mine')).status).toBe(0);
    expect(signatures()).toEqual([
      'approval-example-agency-release.p7s',
      'example-agency-release.p7s',
      'mine.p7s',
      'release.p7s',
    ]);
  });

  it('refuses two approvals with the same name', async () => {
    const place = desk();
    await run(place, ...byKey, '--role', 'approval');
    const before = tree(bundle);
    const { error } = await again(place, ...byKey, '--role', 'approval');
    expect(error?.code).toBe('output-exists');
    expect(tree(bundle)).toEqual(before);
  });

  it('signs with the given algorithm if the key supports it', async () => {
    const place = desk();
    const rsa = makeSigner(makeRoot(), { algorithm: 'rsa-pss-sha384' });
    writeFileSync(join(place, 'rsa.pem'), encodeCertificate(rsa.certificate));
    writeFileSync(join(place, 'rsa.key.pem'), encodePrivateKey(rsa.key));
    const by = ['--key', 'rsa.key.pem', '--certificate', 'rsa.pem'];
    const ran = await run(place, ...by, '--algorithm', 'rsa-pss-sha384', '--name', 'pss');
    expect(ran.status).toBe(0);
    expect((await again(place, ...by, '--name', 'pkcs1')).status).toBe(0);
    const mgf1 = Buffer.from('06092a864886f70d010108', 'hex');
    const has = (name: string): boolean =>
      readFileSync(join(bundle, 'signatures', name)).includes(mgf1);
    expect([has('pss.p7s'), has('pkcs1.p7s')]).toEqual([true, false]);
    const { error } = await again(place, ...byKey, '--algorithm', 'ml-dsa-87');
    expect(error?.code).toBe('algorithm-refused');
  });
});

describe('when the key is held elsewhere', () => {
  const prepare = ['--certificate', 'release.pem', '--name', 'token', '--prepare', 'job.json'];

  it('prepares a request and attaches the signature', async () => {
    const place = desk();
    const prepared = await run(place, ...prepare);
    expect(prepared.status).toBe(0);
    const bytes = readFileSync(join(place, 'job.json.tbs'));
    const request = JSON.parse(readFileSync(join(place, 'job.json'), 'utf8'));
    expect(request.toBeSigned).toBe(bytes.toString('base64'));
    expect(prepared.stdout).toContain(request.digest.value);
    expect(signatures()).toEqual(['release.p7s']);

    writeFileSync(join(place, 'sig'), signBytes('sha384', bytes, authority.signer.key));
    const attached = await again(place, '--attach', 'job.json', '--signature', 'sig');
    expect(attached.status).toBe(0);
    expect(signatures()).toEqual(['release.p7s', 'token.p7s']);
    const verified = await runProgram(['verify', bundle, '--trust', 'root.pem'], place);
    expect(verified.status).toBe(0);
  });

  it.each(['job.json', 'job.json.tbs'])('leaves a %s that is in its way', async (name) => {
    const place = desk();
    writeFileSync(join(place, name), 'mine');
    const before = tree(place);
    expect((await run(place, ...prepare)).error?.code).toBe('output-exists');
    expect(tree(place)).toEqual(before);
  });

  it('refuses to write the request into the bundle', async () => {
    const place = desk();
    await run(place);
    const before = tree(bundle);
    const file = join(bundle, 'job.json');
    const ran = await again(place, '--certificate', 'release.pem', '--prepare', file);
    expect(ran.error?.code).toBe('usage-invalid');
    expect(tree(bundle)).toEqual(before);
  });

  it('refuses a request that was changed', async () => {
    const place = desk();
    await run(place, ...prepare);
    writeFileSync(join(place, 'sig'), 'x');
    const file = join(place, 'job.json');
    writeFileSync(file, `${readFileSync(file, 'utf8')}\n`);
    const { error } = await again(place, '--attach', 'job.json', '--signature', 'sig');
    expect(error?.code).toBe('document-invalid');
  });
});

describe('when a program signs', () => {
  const script = `#!${process.execPath}
const { readFileSync, writeSync } = require('node:fs');
const { createPrivateKey, sign } = require('node:crypto');
const [file, form] = process.argv.slice(2);
const key = createPrivateKey(readFileSync(file));
const signature = sign('sha384', readFileSync(0), form === 'raw' ? { key, dsaEncoding: 'ieee-p1363' } : key);
process.stderr.write('signing with ' + process.env.STOWAGE_SIGN_ALGORITHM + '\\n');
writeSync(1, form === 'base64' ? signature.toString('base64') + '\\n' : signature);
`;

  it.each(['der', 'raw', 'base64'])('takes its answer as %s', async (form) => {
    const place = desk();
    const program = join(place, 'signer.cjs');
    writeFileSync(program, script, { mode: 0o755 });
    const by = ['--certificate', 'release.pem', '--role', 'approval', '--signer-command', program];
    const key = join(place, 'release.key.pem');
    const ran = await run(place, ...by, '--signer-argument', key, '--signer-argument', form);
    expect(ran.stderr).toBe('signing with ecdsa-p384-sha384\n');
    expect(ran.status).toBe(0);
    expect(signatures()).toEqual(['approval-example-agency-release.p7s', 'release.p7s']);
  });

  it('writes nothing when it signs with another key', async () => {
    const place = desk();
    const program = join(place, 'signer.cjs');
    const other = join(place, 'other.key.pem');
    writeFileSync(program, script, { mode: 0o755 });
    writeFileSync(other, encodePrivateKey(createPrivateKey(encodePrivateKey(makeRoot().key))));
    const by = ['--certificate', 'release.pem', '--name', 'token', '--signer-command', program];
    const { error, status } = await run(place, ...by, '--signer-argument', other);
    expect([error?.code, status]).toEqual(['signature-invalid', 10]);
    expect(signatures()).toEqual(['release.p7s']);
  });

  it('stops after the given timeout', async () => {
    const place = desk();
    const program = ['--signer-command', 'sleep', '--signer-argument', '60'];
    const limits = ['--certificate', 'release.pem', '--name', 'token', '--signer-timeout', '1'];
    const { error } = await run(place, ...program, ...limits);
    expect(error?.found).toBe('still running after 1 seconds');
  });
});

describe('when options conflict', () => {
  it.each([
    ['no way to sign', ['--certificate', 'release.pem']],
    ['two ways', [...byKey, '--prepare', 'job.json']],
    ['no certificate', ['--key', 'release.key.pem']],
    ['--attach without a signature', ['--attach', 'job.json']],
    ['--attach with a name', ['--attach', 'job.json', '--signature', 'sig', '--name', 'x']],
    ['--signature with a key', [...byKey, '--signature', 'sig']],
    ['an argument without a program', [...byKey, '--signer-argument', 'x']],
    [
      'a passphrase without a key',
      ['--certificate', 'release.pem', '--prepare', 'x', '--passphrase-file', 'p'],
    ],
    ['a name that leaves the folder', [...byKey, '--name', '../x']],
    ['an unknown role', [...byKey, '--role', 'root']],
    ['an unknown algorithm', [...byKey, '--algorithm', 'md5']],
    ['a descriptor that is none', [...byKey, '--passphrase-fd', '-1']],
    ['no time at all', [...byKey, '--signer-timeout', '0']],
  ])('says so of %s', async (_, args) => {
    const place = desk();
    const ran = await run(place, ...args);
    expect(ran.status).toBe(2);
    expect(signatures()).toEqual(['release.p7s']);
  });
});
