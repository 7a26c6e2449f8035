import { describe, expect, it } from 'vitest';
import type { runCommand } from '../../../src/target/host/command.ts';
import { isSealed, readSets, sealNetwork } from '../../../src/target/sealed/sealed-network.ts';

const header = 'Inter-|   Receive\n face |bytes\n';

describe('when a network namespace is looked at', () => {
  it.each([
    ['    lo: 0 0\n', true],
    ['    lo: 0 0\n  eth0: 1 1\n', false],
    ['  eth0: 1 1\n', false],
    ['', false],
  ])('with the interfaces %j, sealed is %j', (lines, sealed) => {
    expect(isSealed(header + lines)).toBe(sealed);
  });

  it('refuses one that has a way out, and changes nothing', async () => {
    const run: typeof runCommand = () => {
      throw new Error('nothing may be run');
    };
    await expect(sealNetwork(run, {}, new AbortController().signal)).rejects.toMatchObject({
      code: 'host-unfit',
    });
  });
});

describe('when the kernel has noted connections', () => {
  it('reads the sets as nft prints them', () => {
    const nftables = [
      { metainfo: { version: '1.0.6' } },
      { set: { name: 'tcp_ipv4', elem: [{ concat: ['10.89.0.2', 38954, '203.0.113.7', 6514] }] } },
      {
        set: {
          name: 'udp_ipv6',
          elem: [{ elem: { val: { concat: ['fd00::2', 5, '2001:db8::9', 123] } } }],
        },
      },
      {
        set: {
          name: 'other_ipv4',
          elem: [
            { concat: ['10.89.0.2', '203.0.113.8', 'icmp'] },
            { concat: ['10.89.0.2', '203.0.113.8', 99] },
          ],
        },
      },
      { set: { name: 'tcp_ipv6' } },
      { set: { name: 'foreign', elem: [{ concat: ['a', 1, 'b', 2] }] } },
      { chain: { name: 'tcp_ipv4' } },
    ];
    expect(readSets(JSON.stringify({ nftables }))).toEqual([
      {
        protocol: 'tcp',
        source: '10.89.0.2',
        sourcePort: 38954,
        address: '203.0.113.7',
        port: 6514,
      },
      { protocol: 'udp', source: 'fd00::2', sourcePort: 5, address: '2001:db8::9', port: 123 },
      {
        protocol: 'other',
        source: '10.89.0.2',
        sourcePort: 0,
        address: '203.0.113.8',
        port: 0,
        number: 1,
      },
      {
        protocol: 'other',
        source: '10.89.0.2',
        sourcePort: 0,
        address: '203.0.113.8',
        port: 0,
        number: 99,
      },
    ]);
  });
});
