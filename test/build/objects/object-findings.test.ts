import { describe, expect, it } from 'vitest';
import { examineObjects } from '../../../src/build/objects/object-findings.ts';
import type { RenderedItem } from '../../../src/build/objects/render-release.ts';
import type { Allowance, Finding } from '../../../src/format/finding.ts';
import { expectCode } from '../../support/error.ts';
import { plain } from '../../support/objects-release.ts';

interface Given {
  readonly kind?: string;
  readonly allow?: readonly Allowance[];
  readonly uncarried?: RenderedItem['uncarried'];
}

/** What is found in an object with this text. */
function found(
  text: string,
  { kind = 'ConfigMap', allow = [], uncarried = [] }: Given = {},
): Promise<Finding[]> {
  const object = { apiVersion: 'v1', kind, metadata: { name: 'a' }, data: { text } };
  return examineObjects([
    {
      ...{ name: 'things', source: { name: 'things', source: './things', allow } },
      ...{ document: Buffer.alloc(0), renderedBy: 'stowage', inputs: [], powers: [], uncarried },
      objects: [plain(object)],
    },
  ]);
}

describe('when objects name hosts', () => {
  it.each([
    ['https://hub.example.com/x', 'hub.example.com'],
    ['url=jdbc:postgresql://Db.Example.com:5432', 'db.example.com'],
    ['-http://a.example', 'a.example'],
    ['ghcr.io/team/server', 'ghcr.io'],
  ])('reports that of %s', async (text, host) => {
    const findings = await found(text);
    expect(findings.map(({ rule, message }) => [rule, message])).toEqual([
      ['object-host', `ConfigMap a names the host ${host}`],
    ]);
  });

  it.each(['http://server', 'http://a.models.svc:80', 'http://10.0.0.7/', 'http://127.0.0.1:1'])(
    'reports none in %s, which the cluster has',
    async (text) => {
      expect(await found(text)).toEqual([]);
    },
  );

  it('reads a long text without an address once', async () => {
    expect(await found('a.'.repeat(500_000))).toEqual([]);
  });
});

describe('when objects must not be packed', () => {
  const uncarried = [
    { reference: 'r.example/a:1', object: 'ConfigMap a', from: 'things.yaml', path: 'data.text' },
  ];

  it('refuses an image that the bundle does not contain, unless the manifest allows it', async () => {
    const error = await expectCode(() => found('', { uncarried }), 'content-refused');
    expect(error.found).toContain('r.example/a:1');
    const allow = [{ file: '*', rule: 'object-image', reason: 'no pod needs it' }] as const;
    expect(await found('', { uncarried, allow })).toMatchObject([{ rule: 'object-image' }]);
  });

  it.each([
    ['as a text', 'ConfigMap', (text: string) => text],
    ['in Base64', 'Secret', (text: string) => Buffer.from(text).toString('base64')],
  ])('refuses a private key %s', async (_, kind, write) => {
    const key = `-----BEGIN PRIVATE KEY-----\n${'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n'.repeat(8)}-----END PRIVATE KEY-----\n`;
    await expectCode(() => found(write(key), { kind }), 'content-refused');
  });
});
