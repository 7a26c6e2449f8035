import { describe, expect, it } from 'vitest';
import type { DeployedRelease, Generation } from '../../src/format/plan.ts';
import { changesBetween } from '../../src/target/change.ts';
import { objectsRelease, plain } from '../support/objects-release.ts';
import { generationOf } from './kubernetes/rendered.ts';

function release(name: string, value: string): DeployedRelease {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { value } };
  return objectsRelease([plain(object)], { name }).release;
}

/** As it is read again from a file. */
const copied = (generation: Generation): Generation => structuredClone(generation);

describe('when two generations are compared', () => {
  const before = generationOf(1, release('chat', 'one'), release('other', 'one'));

  it('finds nothing in one that was read again', () => {
    expect(changesBetween(before, copied(before))).toEqual({ arriving: [], leaving: [] });
  });

  it('finds a release that only its content tells apart, on both sides', () => {
    const [chat, other] = [release('chat', 'two'), release('other', 'one')];
    const { arriving, leaving } = changesBetween(before, generationOf(2, chat, other));
    expect(arriving).toEqual([chat]);
    expect(leaving).toEqual([before.releases[0]]);
  });

  it('reads each of many releases once, however often it is asked', () => {
    let reads = 0;
    const counted = (name: string): DeployedRelease =>
      Object.defineProperty({ ...release(name, 'one') }, 'version', {
        enumerable: true,
        get: () => {
          reads += 1;
          return '1.0.0';
        },
      });
    const names = Array.from({ length: 100 }, (_, at) => `release-${at}`);
    const [from, to] = [1, 2].map((number) => generationOf(number, ...names.map(counted)));
    if (from === undefined || to === undefined) throw new Error('no generation');
    for (let time = 0; time < 50; time += 1)
      expect(changesBetween(from, to)).toEqual({ arriving: [], leaving: [] });
    expect(reads).toBe(200);
  });
});
