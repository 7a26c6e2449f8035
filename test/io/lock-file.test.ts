import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { inTurn, lockHolder, removeStaleLocks, withLock } from '../../src/io/lock-file.ts';
import { expectCode } from '../support/error.ts';
import { temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
let places = 0;
async function place(content?: string): Promise<{ folder: string; path: string }> {
  const folder = join(root, String(places++));
  await mkdir(folder);
  const path = join(folder, 'lock');
  if (content !== undefined) {
    await mkdir(path);
    await writeFile(join(path, 'holder'), content);
  }
  return { folder, path };
}

interface Holder {
  readonly pid: number;
  readonly started: string;
}

async function holderOf(path: string): Promise<Holder> {
  const [name = ''] = await readdir(path);
  return JSON.parse(await readFile(join(path, name), 'utf8')) as Holder;
}

async function heldByUs(): Promise<Holder> {
  const { path } = await place();
  return withLock(path, () => holderOf(path));
}

describe('when a lock is free', () => {
  it('is held during the work and removed afterwards', async () => {
    const { folder, path } = await place();
    const during = await withLock(path, () => readdir(folder));
    expect(during).toEqual(['lock']);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is released when the work fails', async () => {
    const { folder, path } = await place();
    await expect(withLock(path, () => Promise.reject(new Error('work')))).rejects.toThrow('work');
    expect(await readdir(folder)).toEqual([]);
  });

  it('names its holder', async () => {
    const holder = await heldByUs();
    expect(holder.pid).toBe(process.pid);
    expect(holder.started).toMatch(/^[0-9a-f-]{36}:\d+$/);
  });
});

describe('when a lock is held', () => {
  it('refuses a second holder and does not disturb the first', async () => {
    const { folder, path } = await place();
    await withLock(path, async () => {
      const error = await expectCode(() => withLock(path, async () => 'second'), 'site-locked');
      expect(error.found).toBe(`process ${process.pid}`);
      expect(await readdir(folder)).toEqual(['lock']);
    });
  });

  it.each([
    ['nobody’s', undefined],
    ['stale', JSON.stringify({ pid: 1, started: 'long ago' })],
  ])(
    'has one holder at a time, however many come at once to one that is %s',
    async (_, content) => {
      for (let round = 0; round < 4; round++) {
        const { folder, path } = await place(content);
        let holders = 0;
        let most = 0;
        const runs = Array.from({ length: 20 }, () =>
          withLock(path, async () => {
            most = Math.max(most, ++holders);
            await setTimeout(1);
            holders--;
          }),
        );
        const outcomes = await Promise.allSettled(runs);
        expect(most).toBe(1);
        for (const outcome of outcomes)
          if (outcome.status === 'rejected')
            expect(outcome.reason).toMatchObject({ code: 'site-locked' });
        expect(await readdir(folder)).toEqual([]);
      }
    },
  );
});

describe('when a lock is stale', () => {
  const dead = (): number => spawnSync('true').pid;

  it.each<[string, () => Promise<string>]>([
    ['whose process is gone', async () => JSON.stringify({ ...(await heldByUs()), pid: dead() })],
    [
      'whose process number another process has now',
      async () => JSON.stringify({ pid: process.pid, started: 'a:1' }),
    ],
    [
      'of an earlier start of the host',
      async () => {
        const { pid, started } = await heldByUs();
        return JSON.stringify({
          pid,
          started: started.replace(/^[^:]+/, '00000000-0000-0000-0000-000000000000'),
        });
      },
    ],
    ['that was cut short', async () => '{"pid":'],
    ['that is empty', async () => ''],
    ['that says something else', async () => '[1]'],
  ])('takes over one %s', async (_, content) => {
    const { folder, path } = await place(await content());
    expect(await withLock(path, async () => 'done')).toBe('done');
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('when something else has the name of a lock', () => {
  it.each(['a file', 'a link', 'an empty folder'])('replaces %s', async (kind) => {
    const { folder, path } = await place();
    const elsewhere = (await place('mine')).path;
    if (kind === 'a file') await writeFile(path, '{"pid":1,"started":"long ago"}');
    else if (kind === 'a link') await symlink(elsewhere, path);
    else await mkdir(path);
    expect((await withLock(path, () => holderOf(path))).pid).toBe(process.pid);
    expect(await readdir(folder)).toEqual([]);
    expect(await readdir(elsewhere)).toEqual(['holder']);
  });
});

describe('when a lock cannot be created', () => {
  it('reports that its folder does not exist', async () => {
    await expectCode(() => withLock(join(root, 'gone', 'lock'), async () => 1), 'file-missing');
  });
});

describe('when work waits for a lock', () => {
  it('runs after the previous work has ended, once for each waiter', async () => {
    const path = join(root, 'turns');
    const done: number[] = [];
    let inside = 0;
    const waiting = new Set<number>();
    const bothWait = Promise.withResolvers<void>();
    const onWait = (each: number): void => {
      expect(waiting).not.toContain(each);
      if (waiting.add(each).size === 2) bothWait.resolve();
    };
    await Promise.all(
      [1, 2, 3].map((each) =>
        inTurn(path, { onWait: () => onWait(each) }, async () => {
          expect(inside++).toBe(0);
          await bothWait.promise;
          inside -= 1;
          done.push(each);
        }),
      ),
    );
    expect(done.toSorted()).toEqual([1, 2, 3]);
    expect(await lockHolder(path)).toBeUndefined();
  });

  it('stops waiting when interrupted, and leaves the lock to its holder', async () => {
    const path = join(root, 'interrupted');
    const stop = new AbortController();
    await withLock(path, async () => {
      const waiting = inTurn(
        path,
        { signal: stop.signal, onWait: () => stop.abort() },
        async () => {},
      );
      await expectCode(() => waiting, 'interrupted');
      expect(await lockHolder(path)).toBe(process.pid);
    });
  });
});

describe('when a process was killed while it made or held a lock', () => {
  const dead = '{"pid":4194304,"started":"long ago"}';
  const hex = '0123456789ab';
  const left: readonly (readonly [string, string, string | undefined, boolean])[] = [
    ['an empty folder of a dead process', `lock.4194304.${hex}`, undefined, false],
    ['a cut file of a dead process', `lock.4194304.${hex}`, '{"pid":', false],
    ['a whole file of a dead process', `lock.4194304.${hex}`, dead, false],
    [
      'a whole file of an earlier process with the id of a running one',
      `lock.1.${hex}`,
      dead,
      false,
    ],
    ['an empty folder of a running process', `lock.${process.pid}.${hex}`, undefined, true],
    ['an empty folder of an earlier version', `lock.${hex}`, undefined, false],
    ['a whole file of an earlier version', `lock.${hex}`, dead, false],
    ['a stale lock', 'lock', dead, false],
    ['a folder with another name', 'lock.backup', dead, true],
  ];

  it.each(left)('removes what nobody uses: %s', async (_, name, content, stays) => {
    const { folder, path } = await place();
    const other = join(folder, name);
    await mkdir(other);
    if (content !== undefined) await writeFile(join(other, hex), content);
    await removeStaleLocks(folder, (each) => each === 'lock');
    expect(await readdir(folder)).toEqual(stays ? [name] : []);
    await withLock(path, async () => {});
  });

  it('keeps a held lock, and a lock that a running process is making', async () => {
    const { folder, path } = await place();
    await withLock(path, async () => {
      const other = `${path}.${process.pid}.${hex}`;
      await mkdir(other);
      await writeFile(join(other, hex), JSON.stringify(await holderOf(path)));
      await removeStaleLocks(folder, () => true);
      expect((await readdir(folder)).toSorted()).toEqual(['lock', `lock.${process.pid}.${hex}`]);
    });
  });
});
