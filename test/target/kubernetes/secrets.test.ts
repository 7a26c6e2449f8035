import { describe, expect, it } from 'vitest';
import { secretObject } from '../../../src/target/kubernetes/secrets.ts';
import { bundleFrom, clusterSite, twoServices, workload } from './rendered.ts';

const PULL = 'stowage-chat-registry-credentials-0123456789ab';
const own = workload(bundleFrom(twoServices), clusterSite(), {
  secretNames: new Map([['registry-credentials', PULL]]),
});

function pullConfig(value: string): unknown {
  const { data } = secretObject(own, PULL, Buffer.from(value)) as { data?: unknown };
  const text = (data as Record<string, string>)['.dockerconfigjson'] ?? '';
  return JSON.parse(Buffer.from(text, 'base64').toString('utf8'));
}

describe('when a secret becomes an object', () => {
  it('is immutable, in the namespace of its release, and found by its labels', () => {
    expect(secretObject(own, 'stowage-chat-key-0123456789ab', Buffer.from('value'))).toMatchObject({
      ...{ kind: 'Secret', immutable: true, type: 'Opaque' },
      metadata: {
        namespace: 'stowage-chat',
        labels: { 'app.kubernetes.io/managed-by': 'stowage', 'stowage.dev/release': 'chat' },
      },
    });
  });

  it.each([
    ['text', Buffer.from('a value')],
    ['bytes that are no text', Buffer.from([0, 255, 10, 128])],
    ['nothing', Buffer.alloc(0)],
  ])('keeps %s byte by byte', (_, value) => {
    const { data } = secretObject(own, 'other', value) as { data?: unknown };
    expect(Buffer.from((data as Record<string, string>)['value'] ?? '', 'base64')).toEqual(value);
  });

  it.each([
    ['name and token', 'nodes:a-token', 'nodes', 'a-token'],
    ['a token with colons', 'nodes:a:b', 'nodes', 'a:b'],
    ['a token alone', 'a-token', 'stowage', 'a-token'],
    ['an empty token', 'nodes:', 'nodes', ''],
    ['letters outside ASCII', 'nodes:schlüssel', 'nodes', 'schlüssel'],
  ])('is a pull secret for the registry of the site, from %s', (_, value, username, password) => {
    const auth = Buffer.from(`${username}:${password}`).toString('base64');
    expect(pullConfig(value)).toEqual({
      auths: { '10.0.0.5:5443': { username, password, auth } },
    });
    expect(secretObject(own, PULL, Buffer.from(value))).toMatchObject({
      ...{ type: 'kubernetes.io/dockerconfigjson', immutable: true },
    });
  });
});
