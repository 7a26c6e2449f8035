import { digestHex } from '../core/digest.ts';
import type { Json } from '../core/json.ts';
import { cutTo, printable } from '../core/text.ts';
import { type LockedImage, sourceRead } from '../format/locked-content.ts';
import { localImageOf } from '../format/source.ts';
import type { BillEntry, BlobFacts, FoundPackage } from './bill-entry.ts';
import { licensesOf } from './licenses.ts';

/** UTF-16 code units of a name that comes from an image. */
const MAX_CHARACTERS = 1024;

/** Where an image comes from: its repository, or its source if it is in no registry. */
export function addressOf(image: LockedImage): string {
  const source = sourceRead(image);
  if (localImageOf(source) !== undefined) return source;
  const { mirror, repository } = image;
  return mirror === undefined
    ? `oci://${repository}`
    : `oci://${mirror.replace(/@.*$/, '').replace(/:[^/]*$/, '')}`;
}

/** A CycloneDX component of type container that contains the packages of the image. */
export function imageEntry(image: LockedImage, facts: BlobFacts): BillEntry {
  const ref = `image:${image.name}`;
  const found = image.platforms.flatMap(({ platform, manifest }) => {
    const packages = facts.packages.get(manifest);
    return packages === undefined ? [] : [{ platform, ...packages }];
  });
  const merged = new Map<string, { each: FoundPackage; platforms: string[] }>();
  for (const { platform, packages } of found) {
    for (const each of packages) {
      const known = merged.get(each.url);
      if (known === undefined) merged.set(each.url, { each, platforms: [platform] });
      else known.platforms.push(platform);
    }
  }
  const sorted = [...merged.values()].sort((a, b) => (a.each.url < b.each.url ? -1 : 1));
  const components = sorted.map(({ each, platforms }) =>
    packageComponent(ref, each, image.platforms.length > 1 ? platforms : []),
  );
  const os = found.find((each) => each.os !== undefined)?.os;
  const unread = found.flatMap((each) => each.unread);
  const [name = image.repository] = image.repository.split('/').slice(-1);
  const query = `repository_url=${encodeURIComponent(image.repository)}`;
  return {
    ref,
    packages: sorted.map(({ each }) => `${ref}/${each.url}`),
    complete: unread.length === 0,
    component: {
      type: 'container',
      'bom-ref': ref,
      name: image.repository,
      version: image.target.digest,
      purl: `pkg:oci/${encodeURIComponent(name)}@${encodeURIComponent(image.target.digest)}?${query}`,
      hashes: [{ alg: 'SHA-256', content: digestHex(image.target.digest) }],
      ...(os === undefined && components.length === 0
        ? {}
        : { components: [...(os === undefined ? [] : [osComponent(ref, os)]), ...components] }),
      ...(unread.length === 0
        ? {}
        : {
            properties: unread.map(({ what, why }) => ({
              name: 'stowage:unread',
              value: cutTo(printable(`${what}: ${why}`), MAX_CHARACTERS),
            })),
          }),
    },
  };
}

function osComponent(ref: string, os: { id: string; version?: string; name: string }): Json {
  return {
    type: 'operating-system',
    'bom-ref': `${ref}/os`,
    name: os.id,
    ...(os.version === undefined ? {} : { version: os.version }),
    description: os.name,
  };
}

function packageComponent(ref: string, each: FoundPackage, platforms: readonly string[]): Json {
  const scope = ['npm', 'golang', 'maven'].includes(each.type) ? each.namespace : undefined;
  return {
    type: 'library',
    'bom-ref': `${ref}/${each.url}`,
    ...(scope === undefined ? {} : { group: scope }),
    name: each.name,
    version: each.version,
    purl: each.url,
    ...licensesOf(each.license),
    evidence: {
      occurrences: each.locations.map((location) => ({
        location: cutTo(printable(location), MAX_CHARACTERS),
      })),
    },
    ...(platforms.length === 0
      ? {}
      : { properties: platforms.map((value) => ({ name: 'stowage:platform', value })) }),
  };
}
