import { readdir, stat } from 'node:fs/promises';
import { join, resolve as resolvePath } from 'node:path';
import { type Digest, digestHex, digestOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { printable } from '../core/text.ts';
import type { LockedModel } from '../format/locked-content.ts';
import { bundleSourceOf } from '../format/source.ts';
import { localFailure } from './local.ts';
import type { ModelSourceKind, Origin } from './origin.ts';
import { stableOrigin } from './stable-file.ts';

/** A bundle whose signatures and lists were verified, as far as its models are needed. */
export interface SourceBundle {
  /** SHA-512 of `SHA512SUMS`, 128 hex digits. */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly seq: number;
  /** The names of the signers that count. */
  readonly signers: readonly string[];
  /** As they are in the lock of the bundle. */
  readonly models: readonly LockedModel[];
  /** What proves where it is from: the list of its files with its signatures, its index, lock and verdicts on publishers. */
  readonly evidence: ReadonlyMap<string, Buffer>;
}

/**
 * Opens a bundle.
 * @param trust the path of a trust document or a root certificate
 * @throws StowageError as admission does
 */
export type OpenBundle = (
  folder: string,
  trust: string,
  signal: AbortSignal,
) => Promise<SourceBundle>;

/** Models in bundles: of a hub between networks, or of another team. */
export function bundleModels({
  folder,
  openBundle,
}: {
  readonly folder: string;
  readonly openBundle?: OpenBundle;
}): ModelSourceKind {
  return {
    reads: (source) => bundleSourceOf(source) !== undefined,
    resolve: async ({ source, trust = '' }, signal) => {
      const { path, name } = placeOf(source);
      if (openBundle === undefined)
        throw new StowageError('source-unsupported', 'bundles cannot be read here', {
          expected: 'a source of another kind',
          found: printable(source),
          hint: 'use the stowage program',
        });
      const bundle = await openBundle(
        resolvePath(folder, path),
        resolvePath(folder, trust),
        signal,
      );
      const model = modelIn(bundle, name, source);
      const { id, version, seq, signers, evidence } = bundle;
      const { license, gate, tags = [], endpoint, origin, signature } = model;
      const sums = evidence.get('SHA512SUMS') ?? Buffer.alloc(0);
      return {
        repository: model.repository,
        commit: model.commit,
        origin: {
          kind: 'bundle',
          uri: `urn:stowage:bundle:${bundle.name}@${version}:${id}`,
          digest: digestOf(sums),
        },
        ...(license === undefined ? {} : { license }),
        ...(gate === undefined ? {} : { gate }),
        ...(signature === undefined ? {} : { signature }),
        gated: model.gated,
        tags,
        files: model.files.map(({ path: file, size, digest, gitOid, hubScan }) => ({
          ...{ path: file, size, digest },
          ...(gitOid === undefined ? {} : { gitOid }),
          ...(hubScan === undefined ? {} : { hubScan }),
        })),
        hop: {
          ...{ bundle: id, name: bundle.name, version, seq, signers },
          ...(endpoint === undefined ? {} : { endpoint }),
          ...(origin === undefined ? {} : { origin }),
        },
        evidence,
      };
    },
    file: async ({ source }, { path, digest }) =>
      blobIn(resolvePath(folder, placeOf(source).path), path, digest),
  };
}

function placeOf(source: string): { readonly path: string; readonly name?: string } {
  const found = bundleSourceOf(source);
  if (found === undefined) throw new RangeError(`${source} is no bundle`);
  return found;
}

function modelIn(
  { models, name: bundle, version }: SourceBundle,
  name: string | undefined,
  source: string,
): LockedModel {
  const fits = name === undefined ? models : models.filter((each) => each.name === name);
  const [only, ...more] = fits;
  if (only !== undefined && more.length === 0) return only;
  throw new StowageError(
    'source-not-found',
    name === undefined
      ? `${bundle} ${version} does not have exactly one model`
      : `${bundle} ${version} has no model ${name}`,
    {
      expected: `one of: ${models.map((each) => each.name).join(', ') || 'none'}`,
      found: printable(source),
      hint: 'add a colon and the name of the model to the path of the bundle',
    },
  );
}

/** A blob of a bundle, or of its discs: one file, or parts that follow each other. */
async function blobIn(folder: string, what: string, digest: Digest | undefined): Promise<Origin> {
  const hex = digest === undefined ? '' : digestHex(digest);
  const parts: { readonly path: string; readonly size: number }[] = [];
  const names = new Map<string, string>();
  for (const place of await foldersOf(folder)) {
    const blobs = join(place, 'blobs', 'sha256');
    for (const name of await readdir(blobs).catch(() => []))
      if (name === hex || (name.startsWith(`${hex}.`) && /^\.\d{4,}$/.test(name.slice(64))))
        names.set(name, join(blobs, name));
  }
  for (const [, path] of [...names].toSorted(
    ([a], [b]) => Number(a.slice(65)) - Number(b.slice(65)),
  ))
    parts.push({ path, size: (await stat(path)).size });
  if (hex === '' || parts.length === 0)
    throw new StowageError('source-not-found', `${folder} does not contain ${printable(what)}`, {
      expected: `blob ${hex}`,
      found: 'none of its parts',
      hint: 'give the folder with the complete bundle, or the one that contains all of its discs',
    });
  return {
    description: `${folder}: ${what}`,
    open: async (offset, signal) => chained(parts, offset, signal),
  };
}

async function foldersOf(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder);
    const discs = names.filter((each) => /^disc-\d+-of-\d+$/.test(each));
    return [folder, ...discs.map((each) => join(folder, each))];
  } catch (error) {
    throw localFailure(folder, error);
  }
}

async function* chained(
  parts: readonly { readonly path: string; readonly size: number }[],
  offset: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let start = 0;
  for (const { path, size } of parts) {
    const skip = Math.max(0, offset - start);
    start += size;
    if (skip < size) yield* await stableOrigin(path).open(skip, signal);
  }
}
