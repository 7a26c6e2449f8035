import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { requireUnchanged } from '../../src/build/unchanged.ts';
import { digestOf } from '../../src/core/digest.ts';
import { BlobStore } from '../../src/io/blob-store.ts';
import { expectCode } from '../support/error.ts';
import { type Ran, runProgram } from '../support/fake-terminal.ts';
import { scratchFolder } from '../support/scratch.ts';
import { contextOf, sampleOf } from './samples.ts';

const scratch = scratchFolder();
let cwd: string;

const run = (...args: readonly string[]): Promise<Ran> =>
  runProgram(args, cwd, { env: { STOWAGE_STORE: join(cwd, 'store') } });
const pack = (...more: string[]): Promise<Ran> => run('pack', '--no-installer', ...more);
const write = (path: string, text: string): void => writeFileSync(join(cwd, path), text);

beforeEach(async () => {
  cwd = scratch.fresh('cwd');
  mkdirSync(join(cwd, 'settings'), { recursive: true });
  write('settings/a.json', '{}');
  write('settings/run', '#!/bin/sh\n');
  write('notes.txt', 'notes');
  const files = [
    { name: 'settings', source: './settings' },
    { name: 'notes', source: './notes.txt' },
  ];
  const manifest = { apiVersion: 'stowage/v1', name: 'note', version: '1.0.0', files };
  write('stowage.yaml', JSON.stringify(manifest));
  expect((await run('lock')).error).toBeUndefined();
});

describe('when the local files are unchanged since the lock', () => {
  it('is packed, regardless of modification times', async () => {
    write('notes.txt', 'notes');
    expect((await pack()).error).toBeUndefined();
  });

  it('is packed from the store if a file no longer exists', async () => {
    rmSync(join(cwd, 'notes.txt'));
    renameSync(join(cwd, 'settings'), join(cwd, 'elsewhere'));
    expect((await pack()).error).toBeUndefined();
  });
});

describe('when a local file changed since the lock', () => {
  const changes: Readonly<Record<string, [() => void, RegExp]>> = {
    'a file of the same size': [() => write('notes.txt', 'NOTES'), /^\.\/notes\.txt of notes/],
    'a file that grew': [() => write('notes.txt', 'notes and more'), /^\.\/notes\.txt/],
    'a file of a folder': [
      () => write('settings/a.json', '[]'),
      /^\.\/settings\/a\.json of settings changed/,
    ],
    'a secret that was added to a folder': [
      () =>
        write('settings/b.pem', '-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n'),
      /^\.\/settings\/b\.pem of settings/,
    ],
    'a file that was removed from a folder': [
      () => rmSync(join(cwd, 'settings/run')),
      /^\.\/settings\/run of settings/,
    ],
    'a file that became executable': [
      () => chmodSync(join(cwd, 'settings/run'), 0o755),
      /^\.\/settings\/run of settings/,
    ],
    'a folder in place of a file': [
      () => {
        rmSync(join(cwd, 'notes.txt'));
        mkdirSync(join(cwd, 'notes.txt'));
        write('notes.txt/a', 'notes');
      },
      /^\.\/notes\.txt/,
    ],
  };

  it.each(Object.entries(changes))(
    '%s makes the lock stale, and nothing is written',
    async (_, [change, named]) => {
      change();
      const before = readdirSync(join(cwd, 'store/blobs/sha256')).sort();
      for (const attempt of [() => pack(), () => run('store', 'pull')]) {
        const { error, status } = await attempt();
        expect(error?.code).toBe('lock-stale');
        expect(status).toBe(1);
        expect(error?.message).toMatch(named);
        expect(error?.hint).toContain('stowage lock');
      }
      expect(readdirSync(join(cwd, 'store/blobs/sha256')).sort()).toEqual(before);
      expect(readdirSync(join(cwd, 'store/incoming'))).toEqual([]);
      expect(readdirSync(cwd).filter((name) => name.includes('1.0.0'))).toEqual([]);
      // The hint works, unless the new content must not be packed at all.
      const again = await run('lock');
      if (again.error === undefined)
        expect((await pack('--same-version', 'never released')).error).toBeUndefined();
      else expect(again.error.code).toBe('content-refused');
    },
  );

  it('names all that changed', async () => {
    write('notes.txt', 'NOTES');
    write('settings/a.json', '[]');
    const { error } = await pack();
    expect(error?.message).toContain('and 1 more');
    expect(error?.defects.map((each) => each.replace(/: .*/, ''))).toEqual([
      './settings/a.json of settings',
      './notes.txt of notes',
    ]);
  });

  it('shows what was locked and what is there, for each file of a folder', async () => {
    write('settings/a.json', '[]');
    write('settings/b.json', '');
    chmodSync(join(cwd, 'settings/run'), 0o755);
    const { error } = await pack();
    const sha256 = (text: string): string => digestOf(Buffer.from(text));
    expect(error).toMatchObject({
      expected: `${sha256('{}')}, mode 0644`,
      found: `${sha256('[]')}, mode 0644`,
      defects: [
        `./settings/a.json of settings: ${sha256('[]')}, mode 0644`,
        `./settings/b.json of settings: ${sha256('')}, mode 0644`,
        `./settings/run of settings: ${sha256('#!/bin/sh\n')}, mode 0755`,
      ],
    });
    rmSync(join(cwd, 'settings/run'));
    expect((await pack()).error?.defects.at(-1)).toBe('./settings/run of settings: nothing');
  });

  it('names the source alone if the store has nothing to compare it with', async () => {
    write('settings/a.json', '[]');
    rmSync(join(cwd, 'store'), { recursive: true });
    const { error } = await pack();
    expect(error?.code).toBe('lock-stale');
    expect(error?.message).toContain('./settings of settings changed');
  });

  it('also reports a changed key of a signature', async () => {
    const { lock } = sampleOf(16);
    const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
    const bytes = Buffer.from(pem.export({ type: 'spki', format: 'pem' }));
    writeFileSync(join(cwd, 'cosign.pub'), bytes);
    const signature = {
      result: 'passed',
      trusted: [{ path: 'cosign.pub', digest: digestOf(bytes) }],
      log: 'none',
    } as const;
    const verified = {
      ...lock,
      files: [],
      images: lock.images.map((image) => ({ ...image, signature })),
    };
    const options = { ...contextOf(), folder: cwd, store: new BlobStore(join(cwd, 'store')) };
    await requireUnchanged(verified, options);
    writeFileSync(join(cwd, 'cosign.pub'), `${bytes}\n`);
    const error = await expectCode(() => requireUnchanged(verified, options), 'lock-stale');
    expect(error.message).toContain('cosign.pub, which server was verified with,');
    rmSync(join(cwd, 'cosign.pub'));
    await requireUnchanged(verified, options);
  });
});

describe('when the manifest changed since the lock', () => {
  const full = {
    ...{ apiVersion: 'stowage/v1', name: 'note', version: '1.0.0' },
    files: [
      { name: 'settings', source: './settings' },
      { name: 'notes', source: './notes.txt' },
    ],
  };
  it.each<[string, object, string, string, string]>([
    ['a field', { version: '1.1.0' }, 'version', '1.0.0', '1.1.0'],
    ['a field with a default', { channel: 'beta' }, 'channel', 'stable', 'beta'],
    ['a list', { platforms: ['linux/arm64'] }, 'platforms', '["linux/amd64"]', '["linux/arm64"]'],
    [
      'a field of an entry',
      {
        files: [
          { name: 'settings', source: './settings' },
          { name: 'notes', source: 'n.txt' },
        ],
      },
      'files.notes.source',
      './notes.txt',
      'n.txt',
    ],
    [
      'an entry at the beginning',
      { files: [{ name: 'first', source: 'f' }, ...full.files] },
      'files.first',
      'nothing',
      '{"name":"first","position":1,"source":"f"}',
    ],
    ['the order', { files: full.files.toReversed() }, 'files.notes.position', '2', '1'],
    [
      'an entry that was removed',
      { files: full.files.slice(0, 1) },
      'files.notes',
      '{"name":"notes","position":2,"source":"./notes.txt"}',
      'nothing',
    ],
  ])('names %s with both values', async (_, changes, field, before, after) => {
    write('stowage.yaml', JSON.stringify({ ...full, ...changes }));
    const { error } = await pack();
    expect(error?.code).toBe('lock-stale');
    expect(error?.message).toContain(`${field} of the manifest changed`);
    expect(error?.expected).toContain(before);
    expect(error?.found).toBe(after);
    expect(error?.defects[0]).toBe(`${field}: ${before} -> ${after}`);
  });
});
