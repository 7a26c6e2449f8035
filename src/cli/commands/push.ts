import { copiedFirst, fromBundle } from '../../content/items.ts';
import type { Digest } from '../../core/digest.ts';
import { MIB } from '../../core/limits.ts';
import { registryFolder } from '../../core/repository-name.ts';
import { printableLines } from '../../core/text.ts';
import type { Catalog, CatalogEntry } from '../../depot/catalog.ts';
import type { Bundle } from '../../format/bundle.ts';
import { type Named, repositoryBy } from '../../push/name-rule.ts';
import { type PushedManifest, type PushedRepository, push as pushAll } from '../../push/push.ts';
import { openSessions } from '../../push/push-blob.ts';
import { createRegistryWriter } from '../../push/registry-writer.ts';
import { storedBlob, storedManifest } from '../../push/stored-blob.ts';
import { catalogOf } from '../../site/catalog/catalog.ts';
import { findRelease } from '../../site/release/release.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import type { PushBundleOptions } from './push-bundle.ts';
import { registryAccess } from './registry-access.ts';
import { openFolder } from './site.ts';

export interface PushCommandOptions extends PushBundleOptions {
  readonly nameRule: string;
  readonly modelcars?: boolean;
  readonly bundle?: boolean;
}

const REGISTRY = /^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?$/;

/** Pushes the contents of a release to a registry. */
export async function push(
  text: string,
  registry: string,
  options: PushCommandOptions,
  context: CommandContext,
): Promise<CommandResult> {
  if (options.bundle === true)
    return (await import('./push-bundle.ts')).pushBundle(text, registry, options, context);
  if (!REGISTRY.test(registry))
    throw usage('invalid registry', 'a host and port, such as registry.site:5000', registry);
  const site = await openFolder(options.root, context);
  const { id, bundle } = await findRelease(site, text);
  const catalog = await catalogOf(site, [id]);
  const { client, http } = await registryAccess(registry, options, context);
  const named = namesOf(bundle, options.modelcars === true);
  const repositories: PushedRepository[] = [];
  for (const [repository, each] of named) {
    const found = catalog.repositories().find((entry) => entry.repository === repository);
    const entry = (await found?.make?.()) ?? found;
    if (entry !== undefined)
      repositories.push(await contentOf(catalog, entry, repositoryBy(options.nameRule, each)));
  }
  const pushed = await pushAll(repositories, {
    ...context,
    writer: createRegistryWriter({ registry, client, http, signal: context.signal }),
    chunkBytes: Math.max(options.chunkSize, MIB),
    maxBlobBytes: options.maxLayerSize,
    sessions: await openSessions(site.path('push', `${registryFolder(registry)}.json`)),
  });
  const lines = pushed.flatMap((each) => [
    `  ${registry}/${each.repository}:${each.tags.join(', :')}`,
    `    blobs: ${each.uploaded} uploaded, ${each.mounted} mounted, ${each.present} already present`,
    ...each.notes.map((note) => `    note: ${note}`),
  ]);
  return {
    json: { registry, release: id, repositories: pushed },
    text: printableLines(
      `${[`${bundle.name} ${bundle.version}: pushed to ${registry}`, ...lines].join('\n')}\n`,
    ),
  };
}

/** The repositories of a release to push, by their names in the depot, with the values for the name rule. */
function namesOf(bundle: Bundle, cars: boolean): [string, Named][] {
  const of = (name: string, registry: string, path: string): [string, Named] => [
    `${bundle.name}/${name}`,
    { release: bundle.name, version: bundle.version, name, registry, path },
  ];
  const hasCar = new Set([...bundle.models, ...bundle.files].map(({ name }) => name));
  return fromBundle(
    bundle,
    (kind, item) => {
      const { registry, path, name = item.name } = kind.pushedAs(item);
      const car = of(`${name}-car`, registry, `${path}-car`);
      const withCar = cars && hasCar.has(name);
      return [of(name, registry, path), ...(withCar ? [car] : [])];
    },
    copiedFirst(),
  );
}

async function contentOf(
  catalog: Catalog,
  entry: CatalogEntry,
  repository: string,
): Promise<PushedRepository> {
  const pathOf = (digest: Digest): string => catalog.blobPath(digest);
  const manifests: PushedManifest[] = [];
  for (const [digest, mediaType] of entry.manifests) {
    const [made] = entry.made?.get(digest) ?? [];
    const bytes =
      made !== undefined && 'bytes' in made ? made.bytes : await storedManifest(digest, pathOf);
    manifests.push({ digest, mediaType, bytes });
  }
  const blobs = [...entry.blobs].map(([digest, size]) =>
    storedBlob({ digest, size }, entry.made?.get(digest) ?? [{ digest, size }], pathOf),
  );
  return { repository, tags: entry.tags, manifests, blobs };
}
