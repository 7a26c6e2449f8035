import { describe, expect, it } from 'vitest';
import type { ObjectApi } from '../../../../src/target/kubernetes/api/object-api.ts';
import { patiently } from '../../../../src/target/kubernetes/objects/apply-patiently.ts';
import {
  goesWhenEnded,
  keptJob,
  withoutEnded,
} from '../../../../src/target/kubernetes/objects/ended-jobs.ts';
import { isAwaited } from '../../../../src/target/kubernetes/objects/readiness.ts';

const { signal } = new AbortController();
const job = (name: string, spec: object = {}) => ({
  ...{ apiVersion: 'batch/v1', kind: 'Job', metadata: { name }, spec },
});
const short = job('short', { ttlSecondsAfterFinished: 5 });

describe('when a cluster removes a Job that ended', () => {
  it.each([
    ['a Job that is removed at once', short, 600],
    ['a Job that is removed after a day', job('a', { ttlSecondsAfterFinished: 86_400 }), 86_400],
    ['a Job that stays', job('a'), undefined],
    ['another object', { ...short, kind: 'Gadget', apiVersion: 'demo.example/v1' }, 5],
  ])('keeps %s until its end is seen', (_, object, seconds) => {
    expect(keptJob(object)['spec']).toEqual(
      seconds === undefined ? {} : { ttlSecondsAfterFinished: seconds },
    );
  });

  it('makes only those again that did not run before', async () => {
    const gone = new Set(['short', 'new']);
    const api = {
      place: async ({ metadata: { name } }: typeof short) => ({ resource: {}, name }),
      get: async ({ name }: { name: string }) => (gone.has(name) ? undefined : {}),
    } as unknown as ObjectApi;
    const stays = job('stays');
    const there = job('there', { ttlSecondsAfterFinished: 5 });
    const fresh = job('new', { ttlSecondsAfterFinished: 5 });
    const all = [short, stays, there, fresh];
    const place = { api, within: 'gear' };
    const ran = ({ metadata }: { metadata: { name: string } }): boolean => metadata.name !== 'new';
    expect(await withoutEnded(place, all, ran, signal)).toEqual([stays, there, fresh]);
    expect(all.map(goesWhenEnded)).toEqual([true, false, true, true]);
  });
});

describe('when a webhook starts', () => {
  it('has its writes repeated until it answers, and no others', async () => {
    const failure = (message: string) => ({ failure: { status: 500, reason: '', message } });
    const answers = [failure('failed calling webhook "a"'), failure('failed calling webhook "a"')];
    let writes = 0;
    const write = async (): Promise<never> => {
      writes += 1;
      return (answers.shift() ?? { object: { kind: 'Job' } }) as never;
    };
    expect(await patiently(write, signal)).toEqual({ object: { kind: 'Job' } });
    expect(writes).toBe(3);
    const refused = failure('it is full');
    expect(await patiently(async () => refused as never, signal)).toBe(refused);
    await expect(
      patiently(async () => failure('failed calling webhook "a"') as never, AbortSignal.abort()),
    ).rejects.toMatchObject({ code: 'interrupted' });
  });
});

describe('when objects are waited for', () => {
  it.each([
    ['apps/v1', 'Deployment', true],
    ['batch/v1', 'Job', true],
    ['v1', 'ConfigMap', false],
    ['demo.example/v2', 'Gadget', true],
    ['other.example/v1', 'Gadget', false],
  ])('reads again, of %s, a %s: %s', (apiVersion, kind, expected) => {
    const readyWhen = [
      { kind: 'Gadget', group: 'demo.example', condition: 'Ready', status: 'True' as const },
    ];
    expect(isAwaited({ apiVersion, kind }, readyWhen)).toBe(expected);
  });
});
