import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Lock } from '../../src/format/lock.ts';
import { type Ran, runProgram } from '../support/fake-terminal.ts';
import { scratchFolder } from '../support/scratch.ts';
import { tree } from '../support/tree.ts';

const scratch = scratchFolder();

/** A folder with a manifest of one file, which is locked. */
async function locked(): Promise<string> {
  const folder = scratch.fresh();
  mkdirSync(folder);
  write(folder, '1.2.0', 'first');
  expect((await run(folder, 'lock')).status).toBe(0);
  return folder;
}

function write(folder: string, version: string, text: string): void {
  writeFileSync(
    join(folder, 'stowage.yaml'),
    `apiVersion: stowage/v1\nname: a\nversion: ${version}\nfiles:\n  - { name: text, source: text.txt }\n`,
  );
  writeFileSync(join(folder, 'text.txt'), text);
}

const run = (folder: string, ...args: string[]): Promise<Ran> =>
  runProgram([...args, '--store', 'store'], folder);
const lockOf = (path: string): Lock => JSON.parse(readFileSync(path, 'utf8'));
const rules = (folder: string): string[] =>
  lockOf(join(folder, 'stowage.lock.json')).findings.map(({ rule }) => rule);

describe('when the content changes and the version does not', () => {
  it('asks at lock to raise the version, and does not pack', async () => {
    const folder = await locked();
    write(folder, '1.2.0', 'second');
    const { stdout } = await run(folder, 'lock');
    expect(stdout).toContain(
      'the content differs from that of sequence 1, but the version is still 1.2.0: raise version',
    );
    const before = tree(folder);
    const { status, error } = await run(folder, 'pack', '--no-installer');
    expect([status, error?.code]).toEqual([1, 'version-reused']);
    expect(tree(folder)).toEqual(before);
  });

  it('repeats this until the version is raised', async () => {
    const folder = await locked();
    write(folder, '1.2.0', 'second');
    await run(folder, 'lock');
    const path = join(folder, 'stowage.lock.json');
    const second = readFileSync(path);
    await run(folder, 'lock');
    expect(readFileSync(path)).toEqual(second);
    write(folder, '1.2.0', 'third');
    await run(folder, 'lock');
    expect(lockOf(path).findings[0]?.message).toContain('sequence 1,');
    write(folder, '1.2.1', 'third');
    await run(folder, 'lock');
    expect(rules(folder)).toEqual([]);
    expect((await run(folder, 'pack', '--no-installer')).status).toBe(0);
  });

  it('packs with a reason, which the lock and the bundle record', async () => {
    const folder = await locked();
    write(folder, '1.2.0', 'second');
    await run(folder, 'lock');
    const reason = 'no site has 1.2.0 yet';
    const ran = await run(folder, 'pack', '--no-installer', '--same-version', reason);
    expect(ran.status).toBe(0);
    for (const path of ['stowage.lock.json', 'a-1.2.0/attestations/lock.json'])
      expect(lockOf(join(folder, path)).findings).toMatchObject([
        { rule: 'version-unchanged', allowed: reason },
      ]);
    const again = await run(folder, 'pack', '--no-installer', '--output', 'again');
    expect(again.status).toBe(0);
    const sums = (name: string): Buffer => readFileSync(join(folder, name, 'SHA512SUMS'));
    expect(sums('again')).toEqual(sums('a-1.2.0'));
    write(folder, '1.2.0', 'third');
    await run(folder, 'lock');
    expect((await run(folder, 'pack', '--no-installer', '--output', 'more')).error?.code).toBe(
      'version-reused',
    );
  });

  it.each(['', ' ', 'two\nlines', 'a'.repeat(501)])('refuses the reason %j', async (reason) => {
    const folder = await locked();
    const ran = await run(folder, 'pack', '--no-installer', '--same-version', reason);
    expect(ran.error?.code).toBe('usage-invalid');
  });
});

describe('when nothing but the findings or the time changes', () => {
  it('keeps the lock', async () => {
    const folder = await locked();
    const before = readFileSync(join(folder, 'stowage.lock.json'));
    await run(folder, 'lock');
    expect(readFileSync(join(folder, 'stowage.lock.json'))).toEqual(before);
  });
});
