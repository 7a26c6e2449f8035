import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/core/digest.ts';
import { readJson, readValue, writeJson } from '../../src/format/document.ts';
import { digestOfLock, type Lock, lockKind, sealLock } from '../../src/format/lock.ts';
import { expectCode } from '../support/error.ts';
import { bend, paths } from './bend.ts';
import { lock, TWO } from './samples.ts';

describe('when a lock has a digest of itself', () => {
  it('is that of its canonical JSON without the digest', () => {
    const { digest, ...rest } = readValue(lockKind, lock());
    const sorted = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.map(sorted)
        : typeof value !== 'object' || value === null
          ? value
          : Object.fromEntries(
              Object.entries(value)
                .toSorted(([a], [b]) => (a < b ? -1 : 1))
                .map(([key, each]) => [key, sorted(each)]),
            );
    expect(digest).toBe(digestOf(Buffer.from(JSON.stringify(sorted(rest)))));
  });

  it.each([
    ['a digest', 'files.0.digest', `sha256:${'9'.repeat(64)}`],
    ['a size', 'models.0.files.0.size', 7],
    ['a commit', 'models.0.commit', 'e'.repeat(40)],
    ['the sequence', 'seq', 4],
    ['the time', 'resolvedAt', '2026-11-21T10:00:01Z'],
    ['a field of the manifest', 'manifest.description', 'other'],
    ['a finding', 'findings', []],
    ['its own digest', 'digest', TWO],
  ])('is refused after %s was edited', async (_, path, value) => {
    const error = await expectCode(
      () => readValue(lockKind, bend(lock(), path, value)),
      'lock-invalid',
    );
    expect(error.defects).toEqual(['digest: the lock was changed after stowage lock wrote it']);
  });

  it('does not depend on the order of its fields, or on white space', () => {
    const text = JSON.stringify(
      Object.fromEntries(Object.entries(lock()).toReversed()),
      null,
      '\t',
    );
    expect(readJson(lockKind, Buffer.from(text))).toEqual(readValue(lockKind, lock()));
  });

  it('covers every field', () => {
    const document = lock();
    const digest = digestOfLock(document as unknown as Lock);
    for (const path of paths(document).filter((each) => each !== 'digest'))
      expect(digestOfLock(bend(document, path, null) as Lock), path).not.toBe(digest);
  });
});

describe('when a lock was made before it had a digest', () => {
  const old = readFileSync(
    new URL('../corpus/v1/p384/bundle/attestations/lock.json', import.meta.url),
  );

  it('is read, and gets its digest', () => {
    const read = readJson(lockKind, old);
    const { schema: _, ...rest } = JSON.parse(old.toString('utf8'));
    expect(read).toMatchObject(rest);
    expect(read).toEqual(sealLock(read));
    expect(readJson(lockKind, writeJson(lockKind, read))).toEqual(read);
  });

  it('has no digest that could be wrong', async () => {
    const value = { ...JSON.parse(old.toString('utf8')), digest: TWO };
    await expectCode(() => readValue(lockKind, value), 'lock-invalid');
  });
});
