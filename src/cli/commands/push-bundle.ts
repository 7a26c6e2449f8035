import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MIB } from '../../core/limits.ts';
import { registryFolder } from '../../core/repository-name.ts';
import { counted, formatBytes, printableLines } from '../../core/text.ts';
import { exists } from '../../io/file.ts';
import { push as pushAll } from '../../push/push.ts';
import { openSessions } from '../../push/push-blob.ts';
import { createRegistryWriter } from '../../push/registry-writer.ts';
import { parseRemoteAddress } from '../../remote/address.ts';
import { bundleArtifact, type LocalFile } from '../../remote/push-bundle.ts';
import { findRelease } from '../../site/release/release.ts';
import { storedFiles } from '../../site/release/stored-files.ts';
import { type CommandContext, type CommandResult, storeFolder, usage } from '../command.ts';
import { openBundle } from './open-bundle.ts';
import { type AccessOptions, registryAccess } from './registry-access.ts';
import { openFolder } from './site.ts';

export interface PushBundleOptions extends AccessOptions {
  /** Bytes of one upload request. */
  readonly chunkSize: number;
  /** Bytes. */
  readonly maxLayerSize?: number;
  readonly root?: string;
}

/** A bundle to push, and where its files are. */
interface Source {
  readonly name: string;
  readonly version: string;
  readonly id: string;
  readonly files: readonly LocalFile[];
  /** Listed files that are not there. */
  readonly absent: readonly string[];
  /** The folder for the records of interrupted uploads. */
  readonly state: string;
}

/** Puts a bundle into a registry, file by file and byte for byte, for `stowage import oci://`. */
export async function pushBundle(
  text: string,
  to: string,
  options: PushBundleOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const place = parseRemoteAddress(to);
  if (place.kind !== 'registry' || place.reference?.startsWith('sha256:') === true)
    throw usage(
      'invalid address',
      'oci://registry/repository or oci://registry/repository:tag',
      to,
    );
  const source = await sourceOf(text, options, context);
  const { registry, repository, reference: tag = tagFor(source.version) } = place;
  const { client, http } = await registryAccess(registry, options, context);
  const { manifest, ...artifact } = await bundleArtifact(
    source.files,
    { repository, tag },
    context,
  );
  const [pushed] = await pushAll([artifact], {
    ...context,
    writer: createRegistryWriter({ registry, client, http, signal: context.signal }),
    chunkBytes: Math.max(options.chunkSize, MIB),
    maxBlobBytes: options.maxLayerSize,
    sessions: await openSessions(join(source.state, `${registryFolder(registry)}.json`)),
  });
  const address = `oci://${registry}/${repository}:${tag}`;
  const bytes = source.files.reduce((sum, { size }) => sum + size, 0);
  const lines = [
    `${source.name} ${source.version}: pushed as ${address}`,
    `  ${counted(source.files.length, 'file')}, ${formatBytes(bytes)}; blobs: ${pushed?.uploaded ?? 0} uploaded, ${pushed?.present ?? 0} already present`,
    ...(source.absent.length === 0
      ? []
      : [
          `  without ${source.absent.length} listed files that are not here, such as ${source.absent[0]}`,
        ]),
    `  next, on other hosts: stowage import ${address}`,
  ];
  return {
    json: { address, manifest, id: source.id, bytes, absent: source.absent, ...pushed },
    text: printableLines(`${lines.join('\n')}\n`),
  };
}

/** A version as a tag, where `+` may not stand. */
function tagFor(version: string): string {
  return version.replaceAll('+', '_');
}

/** A folder with a bundle, or else an imported release. */
async function sourceOf(
  text: string,
  options: PushBundleOptions,
  context: CommandContext,
): Promise<Source> {
  const folder = context.path(text);
  if (await exists(folder)) {
    const { id, bundle, files, sums } = await openBundle(folder);
    const local: LocalFile[] = [];
    for (const [path, place] of files) {
      const { size } = await stat(place);
      local.push({ path, size, source: { path: place, offset: 0, size } });
    }
    return {
      ...{ name: bundle.name, version: bundle.version, id, files: local },
      absent: [...sums.keys()].filter((path) => !files.has(path)),
      state: join(storeFolder(context, undefined), 'push'),
    };
  }
  const site = await openFolder(options.root, context);
  const release = await findRelease(site, text);
  const { files, absent } = await storedFiles(site, release);
  const { name, version } = release.bundle;
  const local = [...files].map(([path, { size, source }]) => ({ path, size, source }));
  return { name, version, id: release.id, files: local, absent, state: site.path('push') };
}
