import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCanonical, writeCanonical } from '../../../src/format/document.ts';
import { type Trust, trustKind } from '../../../src/format/trust.ts';
import { SiteFolder } from '../../../src/site/site-folder.ts';
import { encodeCertificate } from '../../../src/trust/certificate-file.ts';
import { encodePrivateKey } from '../../../src/trust/key.ts';
import { type Ran, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { tree } from '../../support/tree.ts';
import { atSigning, openssl } from '../../trust/openssl.ts';
import { makeParty, type Party } from '../../trust/simulator.ts';

const scratch = scratchFolder();
const keeper = makeParty('keeper');
const heir = makeParty('heir', 'ml-dsa-87');
const vendor = makeParty('vendor');
let place: string;

const run = (...args: readonly string[]): Promise<Ran> =>
  runProgram(['trust', ...args], place, { env: { PATH: process.env['PATH'] } });

/** Runs what must go well. */
async function ok(...args: readonly string[]): Promise<Ran> {
  const ran = await run(...args);
  expect(ran.error).toBeUndefined();
  expect(ran.status).toBe(0);
  return ran;
}

const read = (file: string): Trust => readCanonical(trustKind, readFileSync(join(place, file)));
const sha256 = (file: string): string =>
  createHash('sha256')
    .update(readFileSync(join(place, file)))
    .digest('hex');
const sign = (file: string, { name }: Party): Promise<Ran> =>
  ok(
    'sign',
    file,
    '--key',
    `${name}.key.pem`,
    '--certificate',
    `${name}.signer.pem`,
    '--name',
    name,
  );

/** A folder with the roots, certificates and keys of everyone. */
function desk(): string {
  const folder = scratch.fresh();
  mkdirSync(folder);
  for (const { name, root, signer } of [keeper, heir, vendor]) {
    writeFileSync(join(folder, `${name}.pem`), encodeCertificate(root.certificate));
    writeFileSync(join(folder, `${name}.signer.pem`), encodeCertificate(signer.certificate));
    writeFileSync(join(folder, `${name}.key.pem`), encodePrivateKey(signer.key));
  }
  return folder;
}

const roots = ['--root', 'keeper=keeper.pem', '--root', 'vendor=vendor.pem'];

/** 1, 2 and 3 in a fresh folder: the heir joins and must sign beside the keeper, then a floor is set. */
async function chain(): Promise<void> {
  place = desk();
  const first = await ok('init', ...roots, '--release', 'vendor', '--output', '1.trust.json');
  expect(first.stdout).toContain('stowage trust apply 1.trust.json');
  expect(first.stdout).not.toContain('trust sign');
  const both = ['--require', 'root=ecdsa-p384-sha384', '--require', 'root=ml-dsa-87'];
  const joined = ['--add-root', 'heir=heir.pem', '--root-role', 'keeper', '--root-role', 'heir'];
  await ok(
    'next',
    '1.trust.json',
    ...joined,
    ...both,
    '--threshold',
    'root=2',
    '--output',
    '2.trust.json',
  );
  await sign('2.trust.json', keeper);
  await sign('2.trust.json', heir);
  await ok('next', '2.trust.json', '--seq-floor', 'chat/stable=4', '--output', '3.trust.json');
  await sign('3.trust.json', keeper);
  await sign('3.trust.json', heir);
}

describe('when a trust document is created', () => {
  beforeAll(chain);

  it('gives each root only its roles', () => {
    expect(read('1.trust.json')).toMatchObject({
      version: 1,
      roles: {
        root: { threshold: 1, roots: ['keeper'] },
        release: { threshold: 1, roots: ['vendor'] },
      },
    });
  });

  it('keeps what the options do not change', () => {
    expect(read('3.trust.json')).toEqual({
      ...read('2.trust.json'),
      version: 3,
      issuedAt: expect.any(String),
      seqFloor: { 'chat/stable': 4 },
    });
    expect(read('2.trust.json').roles.root).toEqual({
      threshold: 2,
      roots: ['keeper', 'heir'],
      requires: ['ecdsa-p384-sha384', 'ml-dsa-87'],
    });
  });

  it.each([
    ['a P-384 root', ['keeper'], true],
    ['an ML-DSA-87 root', ['heir'], false],
    ['one root of each kind', ['keeper', 'heir'], false],
  ])(
    'warns if ML-DSA-87 is required under %s, only where no root has such a key',
    async (_, names, warned) => {
      const given = names.flatMap((each) => ['--root', `${each}=${each}.pem`]);
      const output = `required-${names.join('-')}.json`;
      const ran = await ok('init', ...given, '--require', 'release=ml-dsa-87', '--output', output);
      expect(ran.stderr.includes('ml-dsa-87')).toBe(warned);
    },
  );

  it('gives a single root all roles', async () => {
    await ok('init', '--root', 'only=keeper.pem', '--output', 'only.json');
    const role = { threshold: 1, roots: ['only'] };
    expect(read('only.json').roles).toEqual({ root: role, release: role });
  });

  it('applies every option', async () => {
    const more = ['--approval', 'vendor', '--threshold', 'approval=2', '--algorithm', 'ml-dsa-87'];
    const limits = ['--channel', 'stable', '--channel', 'beta', '--max-age-days', '90'];
    await ok(
      'init',
      ...roots,
      ...more,
      ...limits,
      '--expires',
      '2027-01-01',
      '--output',
      'all.json',
    );
    expect(read('all.json')).toMatchObject({
      roles: { approval: { threshold: 2, roots: ['vendor'] }, release: { roots: ['keeper'] } },
      algorithms: ['ml-dsa-87'],
      channels: ['stable', 'beta'],
      maxAgeDays: 90,
      expiresAt: '2027-01-01T00:00:00Z',
    });
  });

  it('requires a rehearsal for a channel, and then is of a version of its own', async () => {
    const asked = ['--rehearsal', 'stable=90', '--rehearsal', 'beta=30:podman,docker'];
    await ok('init', ...roots, ...asked, '--output', 'rehearsed.json');
    expect(read('rehearsed.json')).toMatchObject({
      schema: 'stowage/trust/v2',
      rehearsals: {
        stable: { maxAgeDays: 90 },
        beta: { maxAgeDays: 30, targets: ['podman', 'docker'] },
      },
    });
    expect((await ok('show', 'rehearsed.json')).stdout).toContain(
      'channel beta: a rehearsal from the last 30 days, on podman or docker',
    );
    const next = ['beta=7', 'edge=5:docker:except-charts', 'night=3:except-charts'];
    const changed = next.flatMap((each) => ['--rehearsal', each]);
    await ok('next', 'rehearsed.json', ...changed, '--output', 'later.json');
    expect(read('later.json')).toMatchObject({
      schema: 'stowage/trust/v2',
      rehearsals: {
        stable: { maxAgeDays: 90 },
        beta: { maxAgeDays: 7 },
        edge: { maxAgeDays: 5, targets: ['docker'], exceptCharts: true },
        night: { maxAgeDays: 3, exceptCharts: true },
      },
    });
    expect((await ok('show', 'later.json')).stdout).toContain(
      'channel edge: a rehearsal from the last 5 days, on docker, of all but charts and objects',
    );
    expect(read('1.trust.json').schema).toBe('stowage/trust/v1');
  });

  it.each([
    ['stable', 2],
    ['stable=90:moon', 2],
    ['stable=90:', 2],
    ['stable=90:except-charts:docker', 2],
    ['stable=0', 1],
    ['stable=ten', 1],
    ['stable=1.5', 1],
    ['Stable=1', 1],
  ])('refuses --rehearsal %s', async (asked, status) => {
    const ran = await run('init', ...roots, '--rehearsal', asked, '--output', 'refused.json');
    expect(ran.status).toBe(status);
    expect(existsSync(join(place, 'refused.json'))).toBe(false);
  });

  it('revokes a certificate by the values that openssl prints', async () => {
    const pem = ['x509', '-in', 'vendor.pem', '-noout', '-fingerprint', '-sha256'];
    const issuer = openssl(pem, place).stdout.split('=')[1]?.trim() ?? '';
    const serial = openssl(['x509', '-in', 'vendor.signer.pem', '-noout', '-serial'], place)
      .stdout.split('=')[1]
      ?.trim();
    await ok(
      'next',
      '3.trust.json',
      '--revoke',
      `${issuer}:${serial}=laptop stolen`,
      '--output',
      '4.json',
    );
    const { fingerprint } = vendor.root.certificate;
    const revoked = { issuer: fingerprint, serial: vendor.signer.certificate.serial };
    expect(read('4.json').revoked).toEqual([{ ...revoked, reason: 'laptop stolen' }]);
  });

  it('refuses to revoke under an issuer whose fingerprint is incomplete', async () => {
    const issuer = vendor.root.certificate.fingerprint.slice(0, 16);
    const ran = await run('next', '3.trust.json', '--revoke', `${issuer}:1f=lost`, '--output', 'x');
    expect(ran).toMatchObject({ status: 2, error: { found: '16 digits given, 64 needed' } });
  });

  it.each([
    [
      'a role that nobody serves',
      ['next', '3.trust.json', '--remove-root', 'vendor'],
      'usage-invalid',
    ],
    [
      'a root without a role',
      ['next', '3.trust.json', '--add-root', 'x=keeper.pem'],
      'usage-invalid',
    ],
    ['to remove who is not there', ['next', '3.trust.json', '--remove-root', 'x'], 'usage-invalid'],
    ['a role that does not exist', ['init', ...roots, '--threshold', 'owner=1'], 'usage-invalid'],
    ['an algorithm that does not exist', ['init', ...roots, '--algorithm', 'md5'], 'usage-invalid'],
    ['no roots', ['init'], 'usage-invalid'],
    ['a pair that is none', ['init', '--root', 'keeper.pem'], 'usage-invalid'],
    ['a signer for a root', ['init', '--root', 'x=vendor.signer.pem'], 'certificate-invalid'],
    ['a role of an unknown root', ['init', ...roots, '--release', 'x'], 'document-invalid'],
    ['a moment that is past', ['next', '3.trust.json', '--expires', '2020-01-01'], 'usage-invalid'],
    [
      'a threshold that is no number',
      ['init', ...roots, '--threshold', 'root=x'],
      'document-invalid',
    ],
  ])('refuses %s, and writes nothing', async (_, args, code) => {
    const before = tree(place);
    const { error } = await run(...args, '--output', 'new.json');
    expect(error?.code).toBe(code);
    expect(tree(place)).toEqual(before);
  });

  it('refuses a file name of another version, and an existing file', async () => {
    const before = tree(place);
    const lie = await run('next', '3.trust.json', '--output', '5.trust.json');
    expect(lie.error?.code).toBe('usage-invalid');
    const taken = await run('next', '2.trust.json', '--output', '3.trust.json');
    expect(taken.error?.code).toBe('output-exists');
    expect(tree(place)).toEqual(before);
  });
});

describe('when a trust document is shown', () => {
  beforeAll(chain);

  it('shows roots, roles and fingerprints', async () => {
    const { stdout } = await ok('show', '2.trust.json');
    expect(stdout).toContain(sha256('2.trust.json'));
    for (const { root } of [keeper, heir, vendor])
      expect(stdout).toContain(root.certificate.fingerprint);
    expect(stdout).toContain(
      'role root signs the next trust document: 2 keys under keeper or heir, with at least one ecdsa-p384-sha384 and one ml-dsa-87 signature',
    );
    expect(stdout).toContain('role release signs bundles: 1 key under vendor');
    expect(stdout).toContain('signed as its role root requires');
  });

  it('reports insufficient and missing signatures', async () => {
    rmSync(join(place, '3.trust.json.heir.p7s'));
    expect((await ok('show', '3.trust.json')).stdout).toContain('none by ml-dsa-87');
    expect((await ok('show', '1.trust.json')).stdout).toContain(
      'no signatures found next to this file',
    );
    await sign('3.trust.json', heir);
  });

  it('prints it as data', async () => {
    const shown = JSON.parse((await ok('show', '3.trust.json', '--json')).stdout);
    expect(shown).toMatchObject({ fingerprint: sha256('3.trust.json'), trust: { version: 3 } });
    expect(shown.signatures.signers).toHaveLength(2);
  });
});

describe('when a trust document is signed', () => {
  beforeAll(chain);

  it('does not change the document, and openssl verifies the signature', async () => {
    const before = sha256('1.trust.json');
    await sign('1.trust.json', keeper);
    expect(sha256('1.trust.json')).toBe(before);
    const trusted = ['-purpose', 'any', '-no-CApath', '-no-CAstore', '-CAfile', 'keeper.pem'];
    const files = ['-in', '1.trust.json.keeper.p7s', '-content', '1.trust.json', '-out', 'out'];
    const verify = ['cms', '-verify', '-binary', ...atSigning, '-inform', 'DER'];
    expect(openssl([...verify, ...trusted, ...files], place).ok).toBe(true);
  });

  it('says what a root certificate is, where a trust document is needed', async () => {
    writeFileSync(join(place, 'anchor.pem'), encodeCertificate(keeper.root.certificate));
    const by = ['--key', 'keeper.key.pem', '--certificate', 'keeper.signer.pem'];
    for (const args of [
      ['show', 'anchor.pem'],
      ['sign', 'anchor.pem', ...by],
      ['next', 'anchor.pem', '--output', 'anchor.json'],
    ]) {
      const { error } = await run(...args);
      expect(error).toMatchObject({ code: 'document-invalid', found: 'a certificate in PEM' });
      expect(error?.hint).toContain('openssl x509 -in anchor.pem');
    }
    expect(existsSync(join(place, 'anchor.json'))).toBe(false);
  });

  it('refuses another document, another key, and an existing file', async () => {
    const by = ['--key', 'keeper.key.pem', '--certificate', 'keeper.signer.pem'];
    writeFileSync(join(place, 'note.json'), '{}');
    const before = tree(place);
    expect((await run('sign', 'note.json', ...by)).error?.code).toBe('document-invalid');
    const taken = await run('sign', '2.trust.json', ...by, '--name', 'keeper');
    expect(taken.error?.code).toBe('output-exists');
    const foreign = ['--key', 'vendor.key.pem', '--certificate', 'keeper.signer.pem'];
    expect((await run('sign', '2.trust.json', ...foreign)).error?.code).toBe('key-invalid');
    expect((await run('sign', '2.trust.json', ...by, '--name', '../x')).error?.code).toBe(
      'usage-invalid',
    );
    expect(tree(place)).toEqual(before);
  });
});

describe('when a trust document is pinned at a site', () => {
  const site = (): Promise<Trust | undefined> => new SiteFolder(join(place, 'site')).trust();
  const apply = (file: string, ...args: readonly string[]): Promise<Ran> =>
    run('apply', file, '--root', 'site', ...args);
  const first = async (): Promise<void> => {
    await chain();
    await ok('apply', '1.trust.json', '--root', 'site', '--fingerprint', sha256('1.trust.json'));
  };

  it('asks for the fingerprint of the first document', async () => {
    await chain();
    expect((await apply('1.trust.json')).error?.code).toBe('trust-unconfirmed');
    const wrong = await apply('1.trust.json', '--fingerprint', sha256('2.trust.json'));
    expect(wrong.error?.code).toBe('trust-unconfirmed');
    expect(await site()).toBeUndefined();
    await ok('apply', '1.trust.json', '--root', 'site', '--fingerprint', sha256('1.trust.json'));
    expect(await site()).toEqual(read('1.trust.json'));
  });

  it('follows the chain to a later document', async () => {
    await first();
    await ok('apply', '3.trust.json', '--root', 'site');
    expect(readFileSync(join(place, 'site/trust.json'))).toEqual(
      readFileSync(join(place, '3.trust.json')),
    );
    const again = await ok('apply', '3.trust.json', '--root', 'site', '--json');
    expect(JSON.parse(again.stdout)).toMatchObject({ changed: false, version: 3 });
  });

  it('stops at the given document', async () => {
    await first();
    await ok('apply', '2.trust.json', '--root', 'site');
    expect((await site())?.version).toBe(2);
  });

  it.each<readonly [string, string, () => void]>([
    [
      'a gap',
      'trust-conflict',
      () => {
        for (const name of readdirSync(place).filter((each) => each.startsWith('2.trust.json')))
          rmSync(join(place, name));
      },
    ],
    [
      'a signature that is gone',
      'threshold-unmet',
      () => rmSync(join(place, '3.trust.json.heir.p7s')),
    ],
    [
      'no signatures',
      'signature-missing',
      () => {
        for (const name of readdirSync(place).filter((each) => each.endsWith('.p7s')))
          rmSync(join(place, name));
      },
    ],
  ])('refuses %s, and stays where it was', async (_, code, spoil) => {
    await first();
    spoil();
    const { error } = await apply('3.trust.json', '--fingerprint', sha256('3.trust.json'));
    expect(error?.code).toBe(code);
    expect((await site())?.version).toBe(1);
  });

  it('refuses an older document, a different one of the same version, and another name', async () => {
    await first();
    await ok('apply', '3.trust.json', '--root', 'site');
    expect((await apply('2.trust.json')).error?.code).toBe('trust-conflict');
    await ok('next', '2.trust.json', '--channel', 'evil', '--output', 'evil.json');
    expect((await apply('evil.json')).error?.code).toBe('trust-conflict');
    await ok('next', '3.trust.json', '--output', '4.trust.json');
    renameSync(join(place, '4.trust.json'), join(place, 'four.json'));
    expect((await apply('four.json')).error?.code).toBe('usage-invalid');
    expect((await site())?.version).toBe(3);
    expect(existsSync(join(place, 'site/lock'))).toBe(false);
  });

  it('refuses an expired first document', async () => {
    await chain();
    const old = {
      ...read('1.trust.json'),
      issuedAt: '2020-01-01T00:00:00Z',
      expiresAt: '2020-02-01T00:00:00Z',
    };
    writeFileSync(join(place, 'old.json'), writeCanonical(trustKind, old));
    const { error } = await apply('old.json', '--fingerprint', sha256('old.json'));
    expect(error?.code).toBe('trust-conflict');
    expect(await site()).toBeUndefined();
  });
});
