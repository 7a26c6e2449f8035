import { describe, expect, it } from 'vitest';
import { controlDocuments, indexOf } from '../../src/build/bundle-documents.ts';
import { noFacts } from '../../src/content/bill-entry.ts';
import { copiedFirst, describeAll, fromLock } from '../../src/content/items.ts';
import { digestOf } from '../../src/core/digest.ts';
import { canonicalBytes, type Json } from '../../src/core/json.ts';
import { sampleOf } from '../build/samples.ts';

const { lock } = sampleOf(100);
const described = describeAll(lock);

describe('when the items of a lock are collected', () => {
  it('returns models, images and files, or images first', () => {
    expect(fromLock(lock, (_, { name }) => name)).toEqual(['tiny', 'server', 'settings', 'note']);
    expect(fromLock(lock, (_, { name }) => name, copiedFirst())).toEqual([
      ...['server', 'tiny', 'settings', 'note'],
    ]);
    expect([...described.keys()]).toEqual(['server', 'tiny', 'settings', 'note']);
  });

  // If one of these digests changes, the same lock no longer gives the same bundle. The SBOM names the program's version.
  it('writes the same bytes for the same lock', () => {
    const made = { described, facts: noFacts, blobs: [], control: new Map(), partSize: 0 };
    const control = controlDocuments(lock, { described, installers: [], facts: noFacts });
    const digestAt = (path: string): string => digestOf(control.get(path) ?? Buffer.alloc(0));
    expect(digestOf(canonicalBytes(indexOf(lock, made) as unknown as Json))).toBe(
      'sha256:c06e47b4abaafd7721a9c06daf2bf897c771fc910564ee5f22629f26be0dbe31',
    );
    expect(digestAt('index.json')).toBe(
      'sha256:fcf2fff84b0789580426cf15c1c036def98ff5ff4b3b6e4cee24e1618db69b19',
    );
    expect(digestAt('attestations/sbom.cdx.json')).toBe(
      'sha256:e471c164107bac438fcdc285ad6e08ca12c9e8a25711c5fdbad3ebcffe2d2cbf',
    );
  });
});
