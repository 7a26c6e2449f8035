import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { controlDocuments, indexOf } from '../../src/build/bundle-documents.ts';
import { comparableLock } from '../../src/bundle/inspect/comparable.ts';
import { diffSides } from '../../src/bundle/inspect/diff.ts';
import { contents, sizes } from '../../src/bundle/inspect/page/page-contents.ts';
import { contentOf } from '../../src/bundle/part-check.ts';
import { bundleTree } from '../../src/cli/commands/bundle-tree.ts';
import { diffText } from '../../src/cli/commands/diff-text.ts';
import { treeLines } from '../../src/cli/tree.ts';
import { noFacts } from '../../src/content/bill-entry.ts';
import {
  bundleBlobs,
  describeAll,
  fromLock,
  isNotice,
  lockBlobs,
} from '../../src/content/items.ts';
import { digestHex, digestOf } from '../../src/core/digest.ts';
import type { Catalog } from '../../src/depot/catalog.ts';
import { type Depot, startDepot } from '../../src/depot/server.ts';
import type { Bundle } from '../../src/format/bundle.ts';
import type { Lock } from '../../src/format/lock.ts';
import { entriesOf } from '../../src/site/catalog/catalog.ts';
import { placeContents } from '../../src/site/release/layout.ts';
import { SiteFolder } from '../../src/site/site-folder.ts';
import { sampleOf } from '../build/samples.ts';
import { scratchFolder } from '../support/scratch.ts';
import type { Note } from './note.ts';

// Only the list of kinds differs from the program's; adding a kind requires nothing else.
vi.mock('../../src/content/kinds.ts', async (original) => {
  const { kinds } = await original<typeof import('../../src/content/kinds.ts')>();
  const { noteKind } = await import('./note.ts');
  return { kinds: [...kinds, noteKind] };
});

const scratch = scratchFolder();
const sample = sampleOf(100);
const tree = { all: true, unicode: true };
const text = Buffer.from('remember the milk');
const memo: Note = { name: 'memo', size: text.length, digest: digestOf(text) };
const withNotes = (...notes: readonly Note[]): Lock & { notes: readonly Note[] } => ({
  ...sample.lock,
  files: [],
  notes,
});
const lock = withNotes(memo);
const described = describeAll(lock);
const control = controlDocuments(lock, { described, installers: [], facts: noFacts });
const bundle = indexOf(lock, {
  ...{ described, facts: noFacts, control, partSize: 0 },
  blobs: bundleBlobs(lock, described).map(({ digest, size }) => {
    const path = `blobs/sha256/${digestHex(digest)}`;
    return { digest, size, parts: [{ path, offset: 0, size, sha512: 'sha512-', crc32: '' }] };
  }) as unknown as Bundle['blobs'],
});
const manifest = described.get('memo')?.manifest.digest;
const document = (path: string): string => control.get(path)?.toString('utf8') ?? '';

describe('when a kind of content is added to the one list', () => {
  it('has blobs in the lock and in the bundle', () => {
    expect(lockBlobs(lock).get(memo.digest)).toBe(memo.size);
    const digests = bundleBlobs(lock, described).map(({ digest }) => digest);
    expect(digests).toContain(memo.digest);
    expect(digests).toContain(manifest);
    expect(fromLock(lock, (kind, item) => kind.lockLine(item))).toContain('note memo: 17 bytes');
  });

  it('has a section in the index, and a tag in the OCI layout', () => {
    expect(bundle).toMatchObject({ notes: [{ ...memo, manifest }] });
    expect(JSON.parse(document('index.json'))).toMatchObject({
      manifests: [{}, {}, { digest: manifest }],
    });
    expect(document('index.json')).toContain('"org.opencontainers.image.ref.name":"memo"');
  });

  it('is in the SBOM and in the provenance', () => {
    expect(document('attestations/sbom.cdx.json')).toContain('"bom-ref":"note:memo"');
    expect(JSON.parse(document('attestations/provenance.slsa.json'))).toMatchObject({
      subject: expect.arrayContaining([
        { name: 'note:memo', digest: { sha256: digestHex(memo.digest) } },
      ]),
    });
  });

  it('is shown by an inspection, and named for each blob', () => {
    expect(treeLines(bundleTree(bundle, { platforms: [] }), tree).join('\n')).toMatch(
      /notes {2}17 B\n.*memo, a note of 17 bytes/,
    );
    const inspection = {
      ...{ platforms: [], signers: [], madeAt: new Date(0), attached: { missing: 'none' } },
      view: { folders: [], id: '', bundle, control: async () => undefined },
    };
    expect(contents(inspection)).toContain('<bdi>Note</bdi> <bdi>memo</bdi>');
    expect(sizes(inspection)).toContain('Note memo');
    const part = bundle.blobs.find(({ digest }) => digest === memo.digest)?.parts[0];
    expect(part && contentOf(bundle, part)).toBe('note memo');
  });

  it('is compared', () => {
    const other = { ...memo, size: 18, digest: digestOf(Buffer.from('remember the cheese')) };
    const [before, after] = [comparableLock(lock), comparableLock(withNotes(other))];
    const changed = diffSides(before, after);
    expect(changed).toMatchObject({ same: false, notes: { changed: [{ name: 'memo' }] } });
    expect(diffText(changed, tree)).toContain('~ size: 17 -> 18');
    expect(diffText(diffSides(before, comparableLock(withNotes())), tree)).toContain(
      '- memo, a note',
    );
    expect(diffSides(before, before)).toMatchObject({ same: true });
  });

  it('is content, so a bundle with nothing else is not a notice', () => {
    const bare = { ...bundle, models: [], images: [], files: [], services: [] };
    expect(isNotice(bare)).toBe(false);
    expect(isNotice({ ...bare, ...{ notes: [] } })).toBe(true);
  });
});

describe('when a site holds content of the added kind', () => {
  const site = new SiteFolder(scratch.fresh('site'));
  let depot: Depot;
  beforeAll(async () => {
    const documents = [...described.values()].flatMap((each) => [...each.documents.values()]);
    for (const bytes of [text, ...Object.values(sample.blobs), ...documents])
      await site.store.put(bytes);
    const entries = await entriesOf(site, bundle);
    const catalog: Catalog = {
      repositories: () => entries,
      models: () => [],
      releases: () => [{ id: 'a'.repeat(128), bundle }],
      blobPath: (digest) => site.store.path(digest),
      requireIntact: async () => {},
      linking: (_, work) => work(),
    };
    depot = await startDepot(catalog, { address: '127.0.0.1', port: 0 });
  });
  afterAll(() => depot.close());

  it('lays it out for services', async () => {
    const folder = scratch.fresh('layout');
    await placeContents(site, bundle, folder);
    expect(readFileSync(join(folder, 'notes/memo.txt'))).toEqual(text);
  });

  it('serves it and lists it', async () => {
    const base = `http://${depot.host}`;
    const named = await fetch(`${base}/v2/chat/memo/manifests/1.4.0`);
    expect(named.headers.get('docker-content-digest')).toBe(manifest);
    const blob = await fetch(`${base}/v2/chat/memo/blobs/${memo.digest}`);
    expect(Buffer.from(await blob.arrayBuffer())).toEqual(text);
    expect(await (await fetch(base)).text()).toContain('note memo');
  });
});
