import { describe, expect, it } from 'vitest';
import { IGNORED } from '../../../../src/format/plan.ts';
import { egress } from '../../../../src/target/container/constraints/egress.ts';
import { asking, packed } from '../../../support/constraint-input.ts';
import { service } from '../../../support/deployed.ts';

const database = { to: '10.0.0.5', protocol: 'tcp', ports: [5432] } as const;
const released = (...services: ReturnType<typeof service>[]) => packed({ services });

describe('when a release has services with networks that lead outside', () => {
  const to = [
    released(
      service({ name: 'chat', egress: [] }),
      service({ name: 'page', egress: [] }),
      service({ name: 'search', egress: [database] }),
      service({ name: 'inner' }),
      service({ name: 'fabric', network: 'host' }),
    ),
  ];

  it.each([
    [undefined, 'egress', 'packet rules of this host'],
    ['this host has no nft', IGNORED, 'not restricted: this host has no nft'],
  ])(
    'says where they may connect to, and what keeps them from other places: %s',
    async (why, rule, found) => {
      const input = asking({ to });
      const engine = Object.assign(input.engine, { whyUnrestricted: async () => why });
      const about = { rule, satisfied: true };
      expect(await egress({ ...input, engine })).toEqual([
        {
          ...about,
          needs: 'no connections of services chat, page of release chat 1.0.0 but to peers',
          found,
        },
        {
          ...about,
          needs:
            'no connections of service search of release chat 1.0.0 but to peers; 10.0.0.5, TCP port 5432',
          found,
        },
        {
          ...{ rule: IGNORED, satisfied: true },
          needs: 'no connections of service fabric of release chat 1.0.0 but to peers',
          found: 'not restricted: the network of the host',
        },
      ]);
    },
  );
});
