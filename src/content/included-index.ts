import { type Digest, digestOf } from '../core/digest.ts';
import { canonicalBytes } from '../core/json.ts';
import { includedTag, isTag } from '../core/repository-name.ts';
import type { Served } from './content-kind.ts';
import type { StoredManifest } from './manifest-claims.ts';

/** An index of the platforms that a bundle includes, and the tags that name it. */
export interface IncludedIndex {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly tags: Readonly<Record<string, Digest>>;
}

/**
 * A generated index of the included platforms, for an item whose original index lists more; undefined for any other
 * item. A client that copies all platforms fails with the original index, which keeps its bytes and so its digest.
 */
export function includedIndex(
  { target, platforms = [], tags }: Served,
  known: ReadonlyMap<Digest, StoredManifest>,
): IncludedIndex | undefined {
  if (target === undefined) return undefined;
  const listed = known.get(target.digest)?.manifests ?? [];
  const here = platforms.filter(({ manifest }) => listed.includes(manifest));
  if (here.length === 0 || listed.every((each) => here.some(({ manifest }) => manifest === each)))
    return undefined;
  const manifests = here.flatMap(({ platform, manifest: digest }) => {
    const [os = '', architecture = '', variant] = platform.split('/');
    const stored = known.get(digest);
    if (stored === undefined) return [];
    const { mediaType, size } = stored;
    const fields = { os, architecture, ...(variant === undefined ? {} : { variant }) };
    return [{ mediaType, digest, size, platform: fields }];
  });
  const { mediaType } = target;
  const bytes = Buffer.from(canonicalBytes({ schemaVersion: 2, mediaType, manifests }));
  const digest = digestOf(bytes);
  const own = Object.entries(tags).flatMap(([tag, named]) =>
    named === target.digest && isTag(includedTag(tag)) ? [[includedTag(tag), digest] as const] : [],
  );
  return { digest, mediaType, bytes, tags: Object.fromEntries(own) };
}
