import { describe, expect, it } from 'vitest';
import { upgradePath } from '../../src/fleet/newer-releases.ts';
import type { FleetRelease } from '../../src/fleet/releases.ts';

describe('when a path of upgrades is looked for', () => {
  const release = (version: string, seq: number, upgradeFrom?: string): FleetRelease => ({
    ...{ bundle: version, name: 'chat', version, seq, bytes: 1, channels: {} },
    ...(upgradeFrom === undefined ? {} : { upgradeFrom }),
  });

  it.each<[string, FleetRelease[], string[] | undefined]>([
    ['nothing newer', [], []],
    ['one step', [release('2.0.0', 4)], ['2.0.0']],
    ['the newest at once', [release('2.0.0', 4), release('1.5.0', 3)], ['2.0.0']],
    [
      'over the version between',
      [release('2.0.0', 4, '^1.5'), release('1.5.0', 3)],
      ['1.5.0', '2.0.0'],
    ],
    ['the newest that can be reached', [release('3.0.0', 5, '^2'), release('1.5.0', 3)], ['1.5.0']],
    ['none that can be reached', [release('3.0.0', 5, '^2')], undefined],
    [
      'the fewest steps',
      [
        release('3.0.0', 6, '^2'),
        release('2.1.0', 5, '^2'),
        release('2.0.0', 4),
        release('1.5.0', 3),
      ],
      ['2.0.0', '3.0.0'],
    ],
  ])('takes %s', (_, newer, versions) => {
    expect(upgradePath('1.0.0', newer)?.map(({ version }) => version)).toEqual(versions);
  });
});
