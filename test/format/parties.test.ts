import { describe, expect, it } from 'vitest';
import { checkDocument, readValue } from '../../src/format/document.ts';
import { editedLockKind } from '../../src/format/lock.ts';
import { siteKind } from '../../src/format/site.ts';
import { trustKind } from '../../src/format/trust.ts';
import { expectCode } from '../support/error.ts';
import { bend } from './bend.ts';
import { lock, ONE, site, trust } from './samples.ts';

describe('when a trust document is wrong', () => {
  it.each<[string, string, unknown]>([
    ['no root', 'roots', []],
    ['two roots of one name', 'roots.1', { name: 'root', certificate: 'BBBB' }],
    ['a role under an unknown root', 'roles.release.roots', ['other']],
    ['a role under no root', 'roles.release.roots', []],
    ['no release role', 'roles.release', undefined],
    ['no root role', 'roles.root', undefined],
    ['a required algorithm that is not allowed', 'roles.release.requires', ['ml-dsa-87']],
    ['a floor for no product', 'seqFloor', { chat: 1 }],
    ['an end before its beginning', 'expiresAt', '2026-11-21T09:59:59Z'],
    ['a role of another name', 'roles.signer', { threshold: 1, roots: ['root'] }],
    ['a threshold of 0', 'roles.release.threshold', 0],
    ['a threshold of 17', 'roles.release.threshold', 17],
    ['no algorithm', 'algorithms', []],
    ['an algorithm that is too weak', 'algorithms', ['rsa-pkcs1-sha1']],
    ['a certificate in PEM', 'roots.0.certificate', '-----BEGIN CERTIFICATE-----'],
    ['a certificate that is huge', 'roots.0.certificate', 'AAAA'.repeat(20_000)],
    ['a serial of 0', 'revoked.0.serial', '0'],
    ['a serial with a leading zero', 'revoked.0.serial', '01'],
    ['a serial in upper case', 'revoked.0.serial', '1F'],
    ['a serial of 21 bytes', 'revoked.0.serial', '1'.repeat(41)],
    ['a version of 0', 'version', 0],
  ])('refuses %s', async (_, path, value) => {
    await expectCode(
      () => checkDocument(trustKind, bend(trust(), path, value)),
      'document-invalid',
    );
  });
});

describe('when site.yaml is wrong', () => {
  it.each<[string, string, unknown]>([
    ['another target', 'target', 'kubernetes'],
    ['a name for an address', 'address', 'localhost'],
    ['an address in brackets', 'address', '[::1]'],
    ['a list, which is what YAML makes of brackets', 'address', ['::1']],
    ['an address of too many groups', 'address', '1:2:3:4:5:6:7:8:9'],
    ['an address with two gaps', 'address', '1::2::3'],
    ['an address of a link', 'address', 'fe80::1'],
    ['an address of a link with its interface', 'address', 'fe80::1%eth0'],
    ['an address with an interface', 'address', '::1%lo'],
    ['an IPv4 address in an IPv6 address', 'address', '::ffff:127.0.0.1'],
    ['an IPv6 address with a port', 'address', '[::1]:80'],
    ['an address with leading zeros', 'address', '127.0.0.01'],
    ['an address of too few numbers', 'address', '127.1'],
    ['an address with a port', 'address', '127.0.0.1:80'],
    ['no channel', 'channels', []],
    ['a fraction for a value', 'parameters.chat.port', 1.5],
    ['a list for a value', 'parameters.chat.port', [1]],
    ['a control character in a value', 'parameters.chat.greeting', 'a\u001b[2J'],
    ['a release that cannot be', 'parameters.Chat', {}],
  ])('refuses %s', async (_, path, value) => {
    await expectCode(() => checkDocument(siteKind, bend(site(), path, value)), 'site-invalid');
  });

  it.each(['127.0.0.1', '0.0.0.0', '::', '::1', '0:0:0:0:0:0:0:1', 'FD00::2', '2001:db8::5'])(
    'accepts the address %s',
    (address) => {
      expect(checkDocument(siteKind, { ...site(), address })).toMatchObject({ address });
    },
  );

  it('names the IPv4 address that is meant', async () => {
    const read = () => checkDocument(siteKind, { ...site(), address: '::ffff:10.0.0.5' });
    expect((await expectCode(read, 'site-invalid')).found).toContain('10.0.0.5');
  });

  it('requires only a name', () => {
    const least = { apiVersion: 'stowage/v1', name: 'vault' };
    expect(checkDocument(siteKind, least)).toMatchObject({
      ...least,
      target: 'podman',
      address: '127.0.0.1',
      channels: ['stable'],
      parameters: {},
    });
  });
});

describe('when a lock is wrong', () => {
  it.each<[string, string, unknown]>([
    ['a seq of 0', 'seq', 0],
    ['a branch for a commit', 'models.0.commit', 'main'],
    ['a commit in upper case', 'models.0.commit', 'C'.repeat(40)],
    ['a model without files', 'models.0.files', []],
    ['model files that are case twins', 'models.0.files.1.path', 'TINY.gguf'],
    ['a model file that climbs out', 'models.0.files.0.path', '../x'],
    ['a git blob hash of SHA-256', 'models.0.files.1.gitOid', 'd'.repeat(64)],
    ['an image without a platform', 'images.0.platforms', []],
    ['an image without blobs', 'images.0.blobs', []],
    ['a media type with parameters', 'images.0.target.mediaType', 'text/plain; charset=utf-8'],
    ['a tree whose folder is a path out', 'files.0.path', '..'],
    ['a refusal that nothing allowed', 'findings.0.severity', 'refusal'],
    ['a rule that is on no list', 'findings.0.rule', 'anything'],
    ['a manifest in it that is wrong', 'manifest.version', '1'],
    ['a size that is a fraction', 'files.0.size', 0.5],
  ])('refuses %s', async (_, path, value) => {
    const error = await expectCode(
      () => readValue(editedLockKind, bend(lock(), path, value)),
      'lock-invalid',
    );
    expect(error.defects).not.toEqual([]);
  });

  it('keeps what it does not need out of what it needs', () => {
    expect(readValue(editedLockKind, lock()).files[0]?.size).toBe(2);
    expect(
      readValue(editedLockKind, bend(lock(), 'models.0.license', undefined)).models[0],
    ).not.toHaveProperty('license');
    expect(readValue(editedLockKind, lock()).images[0]?.target.digest).toBe(ONE);
  });
});
