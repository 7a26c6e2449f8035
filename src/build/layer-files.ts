import { posix } from 'node:path';
import type { OnBytes } from '../core/context.ts';
import { StowageError } from '../core/error.ts';
import { counted, quoted } from '../core/text.ts';
import type { TarMember } from '../io/tar-members.ts';
import type { FoundFile, ModelLayer, Origin } from '../source/origin.ts';
import type { Transfer } from './transfer.ts';
import { type OpenLayer, withLayer } from './unwrap-layer.ts';

/** Where the model is in an image that is a modelcar (KServe). */
const MODELS = 'models';
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/** A file of a model in one of its layers. */
export interface LayerFile extends FoundFile {
  readonly from: Required<NonNullable<FoundFile['from']>>;
}

/** Layers of a model that are open, and what is in them. */
export interface OpenLayers {
  readonly files: readonly LayerFile[];
  /** The open layer of a file, and its entry there. */
  at(file: FoundFile): { readonly open: OpenLayer; readonly entry: TarMember } | undefined;
}

/**
 * Opens all layers of a model while `work` runs, each after it is downloaded and verified.
 * @throws StowageError `source-malformed`, `file-kind`, other `source-*`
 */
export async function withLayers<T>(
  layers: readonly ModelLayer[],
  originOf: (layer: ModelLayer) => Promise<Origin>,
  context: { readonly transfer: Transfer; readonly onBytes?: OnBytes },
  work: (open: OpenLayers) => Promise<T>,
): Promise<T> {
  const opened: OpenLayer[] = [];
  const next = async (index: number): Promise<T> => {
    const layer = layers[index];
    if (layer === undefined) return work(contentOf(layers, opened));
    return withLayer(layer, await originOf(layer), context, async (open) => {
      opened.push(open);
      return next(index + 1);
    });
  };
  return next(0);
}

function contentOf(layers: readonly ModelLayer[], opened: readonly OpenLayer[]): OpenLayers {
  const found = new Map<string, { file: LayerFile; open: OpenLayer; entry: TarMember }>();
  layers.forEach((layer, index) => {
    const open = opened[index];
    if (open === undefined) return;
    const { digest, size, image } = layer;
    const entries = image ? modelEntries(open.entries) : namedEntries(open.entries, layer.path);
    if (image) applyWhiteouts(found, open.entries);
    for (const { path, entry } of entries) {
      if (found.has(path) && !image) throw twice(path);
      const from = { path: entry.path, layer: { digest, size } };
      found.set(path, { file: { path, size: entry.size, from }, open, entry });
    }
  });
  return {
    files: [...found.values()].map(({ file }) => file),
    at: (file) => found.get(file.path),
  };
}

interface Named {
  readonly path: string;
  readonly entry: TarMember;
}

/** The files of an artifact's archive. An archive of one file may state its path in the manifest. */
function namedEntries(entries: readonly TarMember[], stated: string | undefined): Named[] {
  const files = filesAmong(entries);
  const [only, ...more] = files;
  const named =
    more.length === 0 && posix.basename(stated ?? '') === posix.basename(only?.path ?? '');
  if (only !== undefined && stated !== undefined && named) return [{ path: stated, entry: only }];
  const paths = new Set<string>();
  for (const { path } of files) {
    if (paths.has(path)) throw twice(path);
    paths.add(path);
  }
  return files.map((entry) => ({ path: entry.path, entry }));
}

/** The files of an image's layer that belong to the model; of two with one name, the last, as engines unpack it. */
function modelEntries(entries: readonly TarMember[]): Named[] {
  const inside = entries.filter(({ path }) => path === MODELS || path.startsWith(`${MODELS}/`));
  return filesAmong(inside)
    .filter(({ path }) => !posix.basename(path).startsWith(WHITEOUT))
    .map((entry) => ({ path: entry.path.slice(MODELS.length + 1), entry }));
}

/** Removes what a layer of an image hides of the layers below it (image-spec, "Whiteouts"). */
function applyWhiteouts(found: Map<string, unknown>, entries: readonly TarMember[]): void {
  for (const { path } of entries) {
    const name = posix.basename(path);
    if (!name.startsWith(WHITEOUT)) continue;
    const folder = posix.dirname(path);
    const hidden = name === OPAQUE ? folder : posix.join(folder, name.slice(WHITEOUT.length));
    for (const known of found.keys()) {
      const at = `${MODELS}/${known}`;
      const itself = name !== OPAQUE && at === hidden;
      if (itself || hidden === '.' || at.startsWith(`${hidden}/`)) found.delete(known);
    }
  }
}

/** @throws StowageError `file-kind` for links, devices and pipes, of which a model has none */
function filesAmong(entries: readonly TarMember[]): TarMember[] {
  const strange = entries.filter(({ kind }) => kind === 'link' || kind === 'other');
  if (strange.length === 0) return entries.filter(({ kind }) => kind === 'file');
  throw new StowageError('file-kind', 'a layer of the model contains more than files and folders', {
    expected: 'only files and folders',
    found: `${counted(strange.length, 'link')}, devices or pipes`,
    hint: 'use an artifact or image with the files themselves',
    defects: strange
      .slice(0, 50)
      .map(({ path, kind }) => `${quoted(path)}: ${kind === 'link' ? 'a link' : 'not a file'}`),
  });
}

function twice(path: string): StowageError {
  return new StowageError('source-malformed', 'the layers of the model contain a file twice', {
    expected: 'each file once',
    found: `${quoted(path)} twice`,
    hint: 'ask the publisher of the model to push it again',
  });
}
