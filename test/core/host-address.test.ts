import { describe, expect, it } from 'vitest';
import {
  canonicalAddress,
  canonicalIpv6,
  cidrOf,
  isIpv6,
  isLinkLocal,
  mappedIpv4,
  socketAddress,
  urlHost,
} from '../../src/core/host-address.ts';

describe('when an IPv6 address is read', () => {
  it.each<[string, string | undefined]>([
    ['::', '::'],
    ['::1', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['0000:0000:0000:0000:0000:0000:0000:0000', '::'],
    ['FD00::A', 'fd00::a'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    // One group of zeros is not shortened (RFC 5952, section 4.2.2).
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['', undefined],
    [':', undefined],
    [':::', undefined],
    ['1::2::3', undefined],
    ['1:2:3:4:5:6:7', undefined],
    ['1:2:3:4:5:6:7:8:9', undefined],
    ['::12345', undefined],
    ['::g', undefined],
    ['[::1]', undefined],
    ['::1]/x[::1', undefined],
    ['fe80::1%eth0', undefined],
    ['::1 ', undefined],
    ['127.0.0.1', undefined],
    ['localhost', undefined],
  ])('gives %j the form that engines report', (text, expected) => {
    expect(canonicalIpv6(text)).toBe(expected);
    expect(canonicalAddress(text)).toBe(expected ?? text);
    expect(canonicalIpv6(expected ?? '')).toBe(expected);
  });

  it.each<[string, string | undefined]>([
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['::ffff:7f00:1', '127.0.0.1'],
    ['0:0:0:0:0:FFFF:0:0', '0.0.0.0'],
    ['::ffff:255.255.255.255', '255.255.255.255'],
    ['::127.0.0.1', undefined],
    ['::1', undefined],
    ['127.0.0.1', undefined],
  ])('finds the IPv4 address in %s', (text, expected) => {
    expect(mappedIpv4(text)).toBe(expected);
  });

  it.each([
    ['fe7f::1', false],
    ['fe80::', true],
    ['FE80:0::1', true],
    ['febf:ffff::1', true],
    ['fec0::1', false],
    ['fe8::1', false],
    ['::fe80', false],
    ['127.0.0.1', false],
  ])('knows whether %s is of a link', (text, expected) => {
    expect(isLinkLocal(text)).toBe(expected);
  });
});

describe('when an address is printed', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1', '127.0.0.1:80'],
    ['::1', '[::1]', '[::1]:80'],
    ['::', '[::]', '[::]:80'],
    ['localhost', 'localhost', 'localhost:80'],
    ['', '', ':80'],
  ])('puts brackets around IPv6 only: %s', (address, host, withPort) => {
    expect([urlHost(address), socketAddress({ address, port: 80 })]).toEqual([host, withPort]);
    expect(isIpv6(address)).toBe(host.startsWith('['));
  });
});

describe('when a policy names a network', () => {
  // The API server refuses a network with bits of a host.
  it.each([
    ['10.20.0.5', '10.20.0.5/32'],
    ['10.20.0.5/32', '10.20.0.5/32'],
    ['10.20.0.5/31', '10.20.0.4/31'],
    ['10.77.3.1/24', '10.77.3.0/24'],
    ['255.255.255.255/17', '255.255.128.0/17'],
    ['200.1.2.3/1', '128.0.0.0/1'],
    ['10.20.0.5/0', '0.0.0.0/0'],
    ['FD00:0:0::7', 'fd00::7/128'],
    ['fd00::7/64', 'fd00::/64'],
    ['fd12:3456:789a:bcde::1/47', 'fd12:3456:789a::/47'],
    ['fd12:3456:789b:bcde::1/47', 'fd12:3456:789a::/47'],
    ['1:2:3:4:5:6:7:8/127', '1:2:3:4:5:6:7:8/127'],
    ['1:2:3:4:5:6:7:9/127', '1:2:3:4:5:6:7:8/127'],
    ['::1/0', '::/0'],
    ['::ffff:10.20.0.5', '10.20.0.5/32'],
    ['::ffff:10.20.0.5/112', '10.20.0.0/16'],
  ])('gives %s as %s', (place, cidr) => {
    expect(cidrOf(place)).toBe(cidr);
  });
});
