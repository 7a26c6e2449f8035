import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/net/secret.ts';

describe('a secret', () => {
  const secret = new Secret('open sesame');

  it.each([
    ['String', String(secret)],
    ['a template', `${secret}`],
    ['concatenation', `x${secret as unknown as string}`],
    ['JSON', JSON.stringify({ secret })],
    ['inspect', inspect({ secret }, { showHidden: true, depth: 9 })],
    ['keys', Object.entries(secret).join()],
  ])('does not show by %s', (_, shown) => {
    expect(shown).not.toContain('sesame');
  });

  it('is revealed when asked', () => {
    expect(secret.reveal()).toBe('open sesame');
  });

  it('takes itself out of what others say', () => {
    expect(secret.hideIn('no open sesame here')).toBe('no [redacted] here');
    expect(new Secret('').hideIn('as it was')).toBe('as it was');
  });
});
