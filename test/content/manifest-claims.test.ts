import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type IncludedIndex,
  includedIndex,
  type StoredManifest,
} from '../../src/content/manifest-claims.ts';
import type { Digest } from '../../src/core/digest.ts';
import { startDepot } from '../../src/depot/server.ts';
import { skopeo } from '../lab/skopeo.ts';
import { type LayoutImage, tinyImage } from '../lab/tiny-image.ts';
import { scratchFolder } from '../support/scratch.ts';

const INDEX = 'application/vnd.oci.image.index.v1+json';
const scratch = scratchFolder();
let image: LayoutImage;
let known: Map<Digest, StoredManifest>;

interface Parsed {
  readonly mediaType: string;
  readonly config: { readonly digest: Digest };
  readonly layers: readonly { readonly digest: Digest }[];
  readonly manifests: readonly { readonly digest: Digest }[];
}

const blob = (digest: string): string => join(image.layout, 'blobs', digest.replace(':', '/'));
const parsed = (digest: string): Parsed => JSON.parse(readFileSync(blob(digest), 'utf8')) as Parsed;

beforeEach(async () => {
  image = await tinyImage(scratch.fresh('image'));
  known = new Map();
  const { manifests } = parsed(image.digest);
  const digests = manifests.map(({ digest }) => digest);
  const index = { mediaType: INDEX, size: 1, blobs: [], manifests: digests };
  known.set(image.digest as Digest, index);
  for (const digest of digests) {
    const { mediaType, config, layers } = parsed(digest);
    const blobs = [config.digest, ...layers.map((each) => each.digest)];
    const size = readFileSync(blob(digest)).length;
    known.set(digest, { mediaType, size, blobs, manifests: [] });
  }
});

function included(platforms: readonly string[], tag = '1.0'): IncludedIndex | undefined {
  const digest = image.digest as Digest;
  const all = known.get(digest)?.manifests ?? [];
  const here = all.flatMap((manifest, index) => {
    const platform = ['linux/amd64', 'linux/arm64/v8'][index] ?? '';
    return platforms.includes(platform) ? [{ platform, manifest }] : [];
  });
  return includedIndex(
    {
      repository: 'chat/app',
      tags: { [tag]: digest },
      target: { digest, size: 1, mediaType: INDEX },
      manifests: here.map(({ manifest }) => manifest),
      platforms: here,
    },
    known,
  );
}

describe('when an index lists platforms that are not in the bundle', () => {
  it('skopeo copies all included platforms with the generated tag', async () => {
    const found = included(['linux/amd64']);
    if (found === undefined) throw new Error('no index');
    const [amd64, arm64] = known.get(image.digest as Digest)?.manifests ?? [];
    for (const digest of [arm64, ...(known.get(arm64 as Digest)?.blobs ?? [])]) {
      if (!known.get(amd64 as Digest)?.blobs.includes(digest as Digest)) rmSync(blob(`${digest}`));
    }
    writeFileSync(blob(found.digest), found.bytes);
    const depot = await startDepot(
      {
        repositories: () => [
          {
            repository: 'chat/app',
            tags: { '1.0': image.digest as Digest, ...found.tags },
            manifests: new Map([
              [image.digest as Digest, INDEX],
              [found.digest, found.mediaType],
              [amd64 as Digest, known.get(amd64 as Digest)?.mediaType ?? ''],
            ]),
            blobs: new Map(
              known
                .get(amd64 as Digest)
                ?.blobs.map((each) => [each, readFileSync(blob(each)).length]),
            ),
            made: new Map([[found.digest, [{ bytes: found.bytes }]]]),
          },
        ],
        models: () => [],
        releases: () => [],
        blobPath: blob,
        requireIntact: async () => {},
        linking: (_, work) => work(),
      },
      { address: '127.0.0.1', port: 0 },
    );
    try {
      const copy = async (tag: string): Promise<boolean> => {
        const source = `docker://${depot.host}/chat/app:${tag}`;
        const to = scratch.fresh('copied');
        const args = ['copy', '--all', '--src-tls-verify=false', '--preserve-digests'];
        const copied = await skopeo([...args, source, `dir:${to}`]).then(
          () => true,
          () => false,
        );
        return copied && existsSync(join(to, 'manifest.json'));
      };
      expect([await copy('1.0'), await copy('1.0-included')]).toEqual([false, true]);
    } finally {
      await depot.close();
    }
  });

  it('states the platforms, with their variants', () => {
    const { bytes } = included(['linux/arm64/v8']) ?? {};
    const { manifests } = JSON.parse(`${bytes}`) as { manifests: object[] };
    expect(manifests).toMatchObject([
      { platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
    ]);
  });

  it('has no tag if it would be too long', () => {
    expect(included(['linux/amd64'], 'a'.repeat(119))?.tags).not.toEqual({});
    expect(included(['linux/amd64'], 'a'.repeat(120))?.tags).toEqual({});
  });

  it.each([[['linux/amd64', 'linux/arm64/v8']], [[]]])('makes none for %j', (platforms) => {
    expect(included(platforms)).toBeUndefined();
  });
});
