import { describe, expect, it } from 'vitest';
import { parseChallenges } from '../../src/net/registry-auth.ts';

describe('a WWW-Authenticate header', () => {
  it.each([
    ['Basic realm="x"', [['basic', { realm: 'x' }]]],
    [
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
      [
        [
          'bearer',
          {
            realm: 'https://auth.docker.io/token',
            service: 'registry.docker.io',
            scope: 'repository:a/b:pull,push',
          },
        ],
      ],
    ],
    ['bearer Realm = plain , b="q\\"uo\\\\te"', [['bearer', { realm: 'plain', b: 'q"uo\\te' }]]],
    [
      'Negotiate, Basic realm="a, b", Bearer realm=c',
      [
        ['negotiate', {}],
        ['basic', { realm: 'a, b' }],
        ['bearer', { realm: 'c' }],
      ],
    ],
    ['', []],
    ['=,;', []],
    ['realm="without a scheme"', []],
  ])('%s is read', (header, expected) => {
    const challenges = parseChallenges(header);
    expect(
      challenges.map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]),
    ).toEqual(expected);
  });

  it('that is long and hostile is read in no time', () => {
    parseChallenges(`Bearer realm="${'\\'.repeat(100_000)}`);
    parseChallenges('a '.repeat(100_000));
    parseChallenges(`${'a'.repeat(100_000)}!`);
  });
});
