import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { foundKey } from '../../../../src/target/kubernetes/api/object-api.ts';
import { ReplacedObjects } from '../../../../src/target/kubernetes/objects/replaced-objects.ts';
import { expectCode } from '../../../support/error.ts';
import { scratchFolder } from '../../../support/scratch.ts';

const scratch = scratchFolder();
const set = { release: 'gear', set: 'things' };
const [first, second] = ['1', '2'].map((digit) => digit.repeat(64)) as [string, string];
const object = (name: string, data = 'x') => ({
  ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'stowage-gear' } },
  data: { text: data },
});
const kept = (...names: readonly string[]) => {
  const keys = new Set(names.map((name) => foundKey(object(name))));
  return (each: object) => keys.has(foundKey(each as never));
};
const none = kept();

function open(): { replaced: ReplacedObjects; file: string; again: () => ReplacedObjects } {
  const root = scratch.fresh('site');
  mkdirSync(root);
  return {
    replaced: new ReplacedObjects(root),
    file: join(root, 'replaced-objects.json'),
    again: () => new ReplacedObjects(root),
  };
}

describe('when a change replaces objects of others', () => {
  it('has them after this process, in a file that only its owner can read', async () => {
    const { replaced, file, again } = open();
    expect(await replaced.hasBegun(set, first)).toBe(false);
    await replaced.begin(set, first, [object('a')]);
    expect(await again().hasBegun(set, first)).toBe(true);
    expect(await again().found(set, first)).toEqual([object('a')]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('knows that it looked, also when there was nothing', async () => {
    const { replaced, again } = open();
    await replaced.begin(set, first, []);
    expect(await again().hasBegun(set, first)).toBe(true);
    expect(await again().hasBegun(set, second)).toBe(false);
    expect(await again().hasBegun({ ...set, set: 'others' }, first)).toBe(false);
  });

  it('has those of one change for its undo, and those of all sets of a release for the rest', async () => {
    const { replaced } = open();
    await replaced.begin(set, first, [object('a')]);
    await replaced.begin(set, second, [object('b')]);
    await replaced.begin({ ...set, set: 'others' }, first, [object('c')]);
    await replaced.begin({ ...set, release: 'else' }, first, [object('d')]);
    expect(await replaced.found(set, second)).toEqual([object('b')]);
    expect(await replaced.found({ ...set, set: 'new' })).toEqual([
      ...[object('a'), object('b'), object('c')],
    ]);
  });
});

describe('when objects were restored', () => {
  it('forgets those of the change that was undone, and leaves no file', async () => {
    const { replaced, file } = open();
    await replaced.begin(set, first, [object('a')]);
    await replaced.forget(set, none, first);
    expect(existsSync(file)).toBe(false);
  });

  it('keeps those of the same change that the release had before, and has still', async () => {
    const { replaced } = open();
    await replaced.begin(set, first, [object('a'), object('b')]);
    await replaced.forget(set, kept('a'), first);
    expect(await replaced.found(set)).toEqual([object('a')]);
    expect(await replaced.hasBegun(set, first)).toBe(false);
  });

  it('looks again after objects were pruned, and has them as they are then', async () => {
    const { replaced } = open();
    await replaced.begin(set, first, [object('a', 'old'), object('b')]);
    await replaced.forget(set, kept('b'));
    expect(await replaced.hasBegun(set, first)).toBe(false);
    await replaced.begin(set, first, [object('a', 'new')]);
    expect(await replaced.found(set)).toEqual([object('b'), object('a', 'new')]);
  });

  it('forgets a release that is gone, and no other', async () => {
    const { replaced, file } = open();
    await replaced.begin(set, first, [object('a')]);
    await replaced.begin({ ...set, release: 'else' }, first, [object('d')]);
    await replaced.forgetRelease('gear');
    expect(await replaced.found(set)).toEqual([]);
    expect(await replaced.found({ ...set, release: 'else' })).toEqual([object('d')]);
    await replaced.forgetRelease('else');
    expect(existsSync(file)).toBe(false);
  });

  it('writes nothing where nothing was replaced', async () => {
    const { replaced, file } = open();
    await replaced.forget(set, none);
    expect(readdirSync(join(file, '..'))).toEqual([]);
  });
});

describe('when the file is damaged', () => {
  it('says so, and changes nothing', async () => {
    const { replaced, file } = open();
    writeFileSync(file, '{"schema":"stowage/replaced-objects/v1"}');
    await expectCode(() => replaced.found(set), 'state-damaged');
    await expectCode(() => replaced.begin(set, first, []), 'state-damaged');
  });
});
