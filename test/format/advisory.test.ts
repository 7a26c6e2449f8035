import { describe, expect, it } from 'vitest';
import { openIn, readAdvisory } from '../../src/format/advisory.ts';
import { expectCode } from '../support/error.ts';

const at = '2026-11-21T10:00:00Z';
const bundle = 'a'.repeat(128);

function advisory(values: object, more: object = {}): Buffer {
  return Buffer.from(
    JSON.stringify({
      bomFormat: 'CycloneDX',
      metadata: { timestamp: at, ...values },
      vulnerabilities: [],
      ...more,
    }),
  );
}

const built = { name: 'stowage:database-built', value: '2026-11-20T06:00:00Z' };

describe('when an advisory is read', () => {
  it('names the scanner, its database, and what was not scanned', () => {
    const tools = { components: [{ name: 'stowage' }, { name: 'grype', properties: [built] }] };
    const properties = [
      { name: 'stowage:not-scanned', value: 'the packages of image:a:\nunknown' },
      { name: 'other', value: 'x' },
    ];
    const component = { hashes: [{ alg: 'SHA-512', content: bundle }] };
    expect(readAdvisory(advisory({ tools, properties, component }))).toEqual({
      ...{ at, bundle, vulnerabilities: [] },
      ...{ scanner: 'grype', databaseBuilt: '2026-11-20T06:00:00Z' },
      notScanned: ['the packages of image:a: unknown'],
    });
  });

  it.each<[string, object]>([
    ['no tools', {}],
    ['tools of CycloneDX 1.4', { tools: [{ name: 'grype' }] }],
    ['another tool', { tools: { components: [{ name: 'by hand' }] } }],
  ])('names no scanner where there is none: %s', (_, values) => {
    expect(readAdvisory(advisory(values))).toEqual({ at, vulnerabilities: [], notScanned: [] });
  });

  it('states no date of a database that is none', () => {
    const properties = [{ ...built, value: 'yesterday' }];
    const tools = { components: [{ name: 'trivy', properties }] };
    expect(readAdvisory(advisory({ tools }))).not.toHaveProperty('databaseBuilt');
  });

  it('counts as open what nobody ruled out', () => {
    const states = ['exploitable', 'not_affected', 'in_triage', 'resolved', undefined];
    const vulnerabilities = states.map((state, index) => ({
      id: `CVE-2026-${index}`,
      ...(state === undefined ? {} : { analysis: { state } }),
    }));
    const open = openIn(readAdvisory(advisory({}, { vulnerabilities })));
    expect(open.map(({ id, state }) => `${id} ${state}`)).toEqual([
      ...['CVE-2026-0 exploitable', 'CVE-2026-2 in_triage', 'CVE-2026-4 unknown'],
    ]);
  });

  it.each<[string, Buffer]>([
    ['another document', advisory({}, { bomFormat: 'SPDX' })],
    ['no time', advisory({ timestamp: 'today' })],
    ['no list', advisory({}, { vulnerabilities: {} })],
    ['no JSON', Buffer.from('{')],
  ])('is refused where it is %s', async (_, bytes) => {
    await expectCode(() => readAdvisory(bytes), 'index-malformed');
  });
});
