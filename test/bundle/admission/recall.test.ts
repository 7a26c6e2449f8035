import { describe, expect, it } from 'vitest';
import { recalledReleases, recallOf } from '../../../src/bundle/admission/recall.ts';
import type { Recall } from '../../../src/format/deployment.ts';
import type { DeployedRelease, Generation } from '../../../src/format/generation.ts';
import { release as deployed } from '../../support/deployed.ts';

const recall = (versions: string, release = 'chat'): Recall => ({
  release,
  versions,
  reason: 'it leaks',
});

function release(version: string, name = 'chat'): DeployedRelease {
  return deployed({ name, version, services: [] });
}

function generation(number: number, ...releases: readonly DeployedRelease[]): Generation {
  return { schema: 'stowage/generation/v2', number, appliedAt: '2026-11-21T10:00:00Z', releases };
}

describe('when a release is held against recalls', () => {
  const cases: readonly [string, string, boolean][] = [
    ['1.2.0', '1.2.0', true],
    ['1.2.0', '>=1.2.0 <1.2.4', true],
    ['1.2.4', '>=1.2.0 <1.2.4', false],
    ['1.2.4-rc.1', '>=1.2.0 <1.2.4', true],
    ['2.0.0', '<=1.9.9', false],
    ['2.0.0', '*', true],
  ];
  it.each(cases)('%s under %s: %s', (version, versions, expected) => {
    expect(recallOf({ name: 'chat', version }, [recall(versions)]) !== undefined).toBe(expected);
  });

  it('leaves another release alone', () => {
    expect(recallOf({ name: 'chat', version: '1.0.0' }, [recall('*', 'other')])).toBeUndefined();
  });
});

describe('when a release that runs was recalled', () => {
  const running = generation(3, release('1.2.0'));

  it('names the newest generation to roll back to', () => {
    const kept = [generation(1, release('1.0.0')), generation(2, release('1.1.0')), running];
    const [found] = recalledReleases(running, kept, [recall('1.2.x')]);
    expect(found).toMatchObject({ name: 'chat', version: '1.2.0', reason: 'it leaks' });
    expect(found?.remedy).toBe(
      'run "stowage rollback --to 2" (chat 1.1.0), or install a newer version',
    );
  });

  it('does not name a generation with any recalled release in it', () => {
    const kept = [
      generation(1, release('1.0.0')),
      generation(2, release('1.1.0'), release('1.0.0', 'other')),
    ];
    const [found] = recalledReleases(running, kept, [recall('1.2.x'), recall('*', 'other')]);
    expect(found?.remedy).toContain('--to 1" ');
  });

  it('names no generation that does not run the release', () => {
    const kept = [generation(1, release('1.0.0')), generation(2, release('3.0.0', 'other'))];
    const [found] = recalledReleases(running, kept, [recall('1.2.x')]);
    expect(found?.remedy).toContain('--to 1" ');
  });

  it('names the version of this release, whatever else runs beside it', () => {
    const kept = [generation(1, release('3.0.0', 'other'), release('1.0.0'))];
    const [found] = recalledReleases(running, kept, [recall('1.2.x')]);
    expect(found?.remedy).toContain('--to 1" (chat 1.0.0)');
  });

  it('asks for a newer version where nothing good is kept', () => {
    const [found] = recalledReleases(running, [running], [recall('*')]);
    expect(found?.remedy).toBe('install a newer version of chat, or run "stowage uninstall chat"');
  });
});
