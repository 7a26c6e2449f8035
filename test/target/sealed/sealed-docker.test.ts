import { describe, expect, it } from 'vitest';
import { addressesBeside } from '../../../src/target/sealed/sealed-docker.ts';

const networks = JSON.stringify([
  { Name: 'bridge', Containers: {} },
  {
    Name: 'clients',
    Containers: { peer: { IPv4Address: '172.19.0.9/16', IPv6Address: '' } },
  },
  {
    Name: 'own',
    Containers: {
      asks: { IPv4Address: '172.18.0.2/16', IPv6Address: 'fd00::2/80' },
      peer: { IPv4Address: '172.18.0.3/16', IPv6Address: 'fd00::3/80' },
    },
  },
]);
const ipv6 = Buffer.alloc(16);
ipv6.writeUInt16BE(0xfd00, 0);
ipv6.writeUInt8(3, 15);

describe('when a service looks up another', () => {
  it.each(['172.18.0.2', 'fd00::2'])('%s gets the addresses on the network of both', (source) => {
    const { a, aaaa } = addressesBeside(source, ['peer'], networks);
    expect([...(a ?? [])]).toEqual([172, 18, 0, 3]);
    expect(aaaa).toEqual(ipv6);
  });

  it.each([
    ['that runs nowhere', '172.18.0.2', []],
    ['on another network', '172.20.0.2', ['peer']],
    ['of an address that only begins alike', '172.18.0.20', ['peer']],
  ])('there are none of a service %s', (_, source, ids) => {
    expect(addressesBeside(source, ids, networks)).toEqual({});
  });
});
