import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withLock } from '../../src/io/lock-file.ts';
import { expectCode } from '../support/error.ts';
import { temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
let places = 0;
async function place(content?: string): Promise<{ folder: string; path: string }> {
  const folder = join(root, String(places++));
  await mkdir(folder);
  const path = join(folder, 'lock');
  if (content !== undefined) await writeFile(path, content);
  return { folder, path };
}

async function heldByUs(): Promise<{ pid: number; started: string }> {
  const { path } = await place();
  const text = await withLock(path, () => readFile(path, 'utf8'));
  return JSON.parse(text) as { pid: number; started: string };
}

describe('when a lock is free', () => {
  it('is held while the work goes on and gone after it', async () => {
    const { folder, path } = await place();
    const during = await withLock(path, () => readdir(folder));
    expect(during).toEqual(['lock']);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is given back when the work fails', async () => {
    const { folder, path } = await place();
    await expect(withLock(path, () => Promise.reject(new Error('work')))).rejects.toThrow('work');
    expect(await readdir(folder)).toEqual([]);
  });

  it('says who holds it', async () => {
    const holder = await heldByUs();
    expect(holder.pid).toBe(process.pid);
    expect(holder.started).toMatch(/^[0-9a-f-]{36}:\d+$/);
  });
});

describe('when a lock is held', () => {
  it('turns a second holder away and leaves the first alone', async () => {
    const { folder, path } = await place();
    await withLock(path, async () => {
      const error = await expectCode(() => withLock(path, async () => 'second'), 'site-locked');
      expect(error.found).toBe(`process ${process.pid}`);
      expect(await readdir(folder)).toEqual(['lock']);
    });
  });

  it('has one holder at a time, however many come at once', async () => {
    const { path } = await place(JSON.stringify({ pid: 1, started: 'long ago' }));
    let holders = 0;
    let most = 0;
    const runs = Array.from({ length: 20 }, () =>
      withLock(path, async () => {
        most = Math.max(most, ++holders);
        await new Promise((resolve) => setTimeout(resolve, 5));
        holders--;
      }),
    );
    const outcomes = await Promise.allSettled(runs);
    expect(most).toBe(1);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected')
        expect(outcome.reason).toMatchObject({ code: 'site-locked' });
  });
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

describe('when a lock cannot be', () => {
  it('says that its folder is not there', async () => {
    await expectCode(() => withLock(join(root, 'gone', 'lock'), async () => 1), 'file-missing');
  });
});
