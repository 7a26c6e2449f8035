import { describe, expect, it } from 'vitest';
import { readCanonical, writeCanonical } from '../../src/format/document.ts';
import { type Trust, trustKind } from '../../src/format/trust.ts';
import { expectCode } from '../support/error.ts';

const role = { threshold: 1, roots: ['agency'] };
const least: Trust = {
  schema: 'stowage/trust/v1',
  version: 1,
  issuedAt: '2026-11-21T00:00:00Z',
  roots: [{ name: 'agency', certificate: 'MAA=' }],
  roles: { root: role, release: role },
  algorithms: ['ecdsa-p384-sha384', 'ml-dsa-87'],
  revoked: [],
};
const most: Trust = {
  ...least,
  schema: 'stowage/trust/v2',
  expiresAt: '2027-11-21T00:00:00Z',
  roots: [...least.roots, { name: 'site', certificate: 'MAA=' }],
  roles: {
    root: { ...role, requires: ['ecdsa-p384-sha384', 'ml-dsa-87'] },
    release: { threshold: 2, roots: ['agency', 'site'] },
    approval: { threshold: 1, roots: ['site'] },
  },
  revoked: [{ issuer: 'a'.repeat(64), serial: '1f', reason: 'laptop stolen' }],
  channels: ['stable', 'beta'],
  seqFloor: { 'chat/stable': 7 },
  maxAgeDays: 90,
  rehearsals: { stable: { maxAgeDays: 30 }, beta: { maxAgeDays: 1, targets: ['podman'] } },
};

describe('when a trust document is valid', () => {
  it.each([
    ['the least', least],
    ['every field', most],
  ])('reads back with %s', (_, trust) => {
    expect(readCanonical(trustKind, writeCanonical(trustKind, trust))).toEqual(trust);
  });
});

describe('when a trust document is wrong', () => {
  it.each<readonly [string, object, string]>([
    ['without a root role', { roles: { release: role } }, 'roles.root'],
    ['with a field of a later version', { rehearsals: {} }, 'stowage/trust/v2'],
    [
      'of a rehearsal on no target',
      { schema: 'stowage/trust/v2', rehearsals: { stable: { maxAgeDays: 1, targets: [] } } },
      'targets',
    ],
    [
      'of a rehearsal of no age',
      { schema: 'stowage/trust/v2', rehearsals: { stable: { maxAgeDays: 0 } } },
      'maxAgeDays',
    ],
    ['without a release role', { roles: { root: role } }, 'roles.release'],
    ['of a role that nobody knows', { roles: { ...least.roles, owner: role } }, 'roles.owner'],
    [
      'of a root that is not there',
      { roles: { root: role, release: { ...role, roots: ['x'] } } },
      'unknown root x',
    ],
    ['of two roots under one name', { roots: [...least.roots, ...least.roots] }, 'the same name'],
    [
      'of a threshold of nobody',
      { roles: { root: role, release: { ...role, threshold: 0 } } },
      'threshold',
    ],
    [
      'that requires what it does not allow',
      { roles: { root: role, release: { ...role, requires: ['rsa-pss-sha384'] } } },
      'requires rsa-pss-sha384',
    ],
    [
      'that requires what does not exist',
      { roles: { root: role, release: { ...role, requires: ['md5'] } } },
      'requires',
    ],
    [
      'that requires an empty list',
      { roles: { root: role, release: { ...role, requires: [] } } },
      'requires',
    ],
    ['that expires before it is issued', { expiresAt: '2026-11-20T00:00:00Z' }, 'expiresAt'],
    ['that lets no channel in', { channels: [] }, 'channels'],
    ['of a floor without a channel', { seqFloor: { chat: 1 } }, 'PRODUCT/CHANNEL'],
    [
      'of a floor with more than a channel',
      { seqFloor: { 'chat/stable/x': 1 } },
      'PRODUCT/CHANNEL',
    ],
    ['of a floor that is no number of a lock', { seqFloor: { 'chat/stable': 0 } }, 'seqFloor'],
    [
      'of a floor beyond what numbers hold (attack 55)',
      { seqFloor: { 'chat/stable': 2 ** 53 } },
      'seqFloor',
    ],
    ['of an age of no days', { maxAgeDays: 0 }, 'maxAgeDays'],
    ['of version 0', { version: 0 }, 'version'],
    ['with a field of its own', { bypass: true }, 'bypass'],
  ])('refuses one %s', async (_, change, named) => {
    const wrong = { ...least, ...change } as Trust;
    const error = await expectCode(() => writeCanonical(trustKind, wrong), 'document-invalid');
    expect(error.defects.join('\n')).toContain(named);
  });
});
