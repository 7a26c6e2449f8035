import { describe, expect, it } from 'vitest';
import { choosePlatform, type PlatformFields } from '../../src/source/oci-platform.ts';

function entry(text: string): { readonly platform: PlatformFields } {
  const [os = '', architecture = '', variant] = text.split('/');
  return { platform: { os, architecture, ...(variant !== undefined && { variant }) } };
}

describe('a platform', () => {
  it.each([
    ['linux/amd64', 'linux/amd64', ['linux/arm64', 'linux/amd64', 'windows/amd64']],
    ['linux/arm64', 'linux/arm64/v8', ['linux/arm64/v9', 'linux/arm64/v8']],
    ['linux/arm64/v8', 'linux/arm64', ['linux/arm64']],
    ['linux/arm', 'linux/arm/v7', ['linux/arm/v6', 'linux/arm/v7']],
    ['linux/arm', 'linux/arm/v6', ['linux/arm/v6']],
    ['linux/arm', undefined, ['linux/arm/v5', 'linux/arm/v6']],
    ['linux/arm/v6', undefined, ['linux/arm/v7']],
    ['linux/amd64', undefined, ['linux/arm64', 'windows/amd64']],
    ['linux/amd64', 'linux/amd64/v3', ['linux/amd64/v3']],
    ['linux/amd64', 'linux/amd64', ['linux/amd64/v3', 'linux/amd64']],
    ['linux/amd64', undefined, []],
  ])('%s means %s', (wanted, chosen, has) => {
    const candidates = has.map(entry);
    const expected = chosen === undefined ? undefined : entry(chosen);
    expect(choosePlatform(candidates, wanted)).toEqual(expected);
  });
});
