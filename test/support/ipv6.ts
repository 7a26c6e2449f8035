import { networkInterfaces } from 'node:os';
import type { TestContext } from 'vitest';
import { skipBecause } from './skip-because.ts';

const available: boolean = Object.values(networkInterfaces())
  .flat()
  .some((each) => each?.address === '::1');

/** Skips a test that needs an IPv6 address, with the reason, where IPv6 is off. */
export function requireIpv6(test: TestContext): void {
  if (!available) skipBecause(test, 'this machine has no IPv6');
}
