import { formatBytes } from '../../../core/amount.ts';
import { StowageError } from '../../../core/error.ts';
import { MAX_ARCHIVE_ENTRIES, MIB } from '../../../core/limits.ts';
import type { Generation } from '../../../format/generation.ts';
import type { Constraint } from '../../../format/plan.ts';
import type { FileSystem } from '../../../target/host/host-probe.ts';
import { type ImageLayer, imageLayers, imagesOf } from '../../../target/container/image-layers.ts';
import { type Arrival, arrivals, type ConstraintInput } from './constraint.ts';

/** What a change writes of itself: journal, ledger, generation, receipt. */
const OWN_BYTES = 16 * MIB;
const OWN_FILES = 100;
/** How much larger a compressed layer of an image becomes: programs and libraries rarely grow more. */
const GROWTH = 2.5;
/** Bytes of a layer or a tree for each file in it: few hold smaller ones in the mean. */
const BYTES_PER_FILE = 8192;

interface Load {
  readonly path: string;
  readonly bytes: number;
  readonly files: number;
}

/** Every file system has room for what the change writes there, in bytes and in files. */
export async function space(input: ConstraintInput): Promise<Constraint[]> {
  const coming = arrivals(input);
  if (coming.length === 0) return [];
  const places = new Map<string, { system: FileSystem; loads: Load[] }>();
  for (const load of [siteLoad(coming, input), ...(await engineLoads(coming, input))]) {
    const system = await input.host.fileSystem(load.path);
    const place = places.get(system.id) ?? { system, loads: [] };
    places.set(system.id, { system, loads: [...place.loads, load] });
  }
  return [...places.values()].flatMap(({ system, loads }) => judge(system, loads));
}

function judge({ freeBytes, freeFiles }: FileSystem, loads: readonly Load[]): Constraint[] {
  const bytes = loads.reduce((sum, each) => sum + each.bytes, 0);
  const files = loads.reduce((sum, each) => sum + each.files, 0);
  const place = `on the file system of ${[...new Set(loads.map((each) => each.path))].join(' and ')}`;
  return [
    {
      rule: 'space',
      satisfied: freeBytes >= bytes,
      needs: `${formatBytes(bytes)} free ${place}`,
      found: `${formatBytes(freeBytes)} free`,
    },
    {
      rule: 'inodes',
      satisfied: freeFiles === undefined || freeFiles >= files,
      needs: `room for ${files} more files ${place}`,
      found: freeFiles === undefined ? 'files are not counted there' : `room for ${freeFiles}`,
    },
  ];
}

/** Models are hard links to what was staged and take nothing; trees are unpacked, templates filled in. */
function siteLoad(coming: readonly Arrival[], { site, from }: ConstraintInput): Load {
  let bytes = OWN_BYTES;
  let files = OWN_FILES;
  for (const { bundle, wanted } of coming) {
    for (const { text } of wanted.texts) bytes += Buffer.byteLength(text);
    files += wanted.texts.length;
    if (from.releases.some((each) => each.bundle === wanted.bundle)) continue;
    const folders = bundle.models.flatMap((model) =>
      model.files.map(({ path }) => `${model.name}/${path}`.split('/').slice(0, -1).join('/')),
    );
    files += new Set(folders).size + bundle.files.length;
    for (const file of bundle.files.filter((each) => each.kind === 'tree')) {
      bytes += file.size;
      files += filesIn(file.size);
    }
  }
  return { path: site.root, bytes, files };
}

/** What the engine unpacks, and what it fetches first, where it says where. */
async function engineLoads(coming: readonly Arrival[], input: ConstraintInput): Promise<Load[]> {
  const { engine, from } = input;
  if (engine.images === undefined) return [];
  const there = await layersThere(from.releases, input);
  const wanted = await layersOf(
    coming.map((each) => each.wanted),
    input,
  );
  const fresh = [...wanted.values()].filter((each) => !there.has(each.digest));
  const sum = (value: (layer: ImageLayer) => number): number =>
    fresh.reduce((total, each) => total + value(each), 0);
  const unpacked = sum(unpackedBytes);
  const fetching = engine.fetching ?? engine.images;
  return [
    { path: engine.images, bytes: unpacked, files: sum((each) => filesIn(unpackedBytes(each))) },
    { path: fetching, bytes: sum((each) => each.size), files: fresh.length },
  ];
}

/** A layer that the engine has already takes nothing; one that cannot be told takes its place. */
async function layersThere(
  releases: Generation['releases'],
  input: ConstraintInput,
): Promise<ReadonlyMap<string, ImageLayer>> {
  try {
    return await layersOf(releases, input);
  } catch (error) {
    if (error instanceof StowageError) return new Map();
    throw error;
  }
}

async function layersOf(
  releases: Generation['releases'],
  { site }: ConstraintInput,
): Promise<ReadonlyMap<string, ImageLayer>> {
  const layers = new Map<string, ImageLayer>();
  for (const image of imagesOf(releases)) {
    for (const layer of await imageLayers(site, image)) layers.set(layer.digest, layer);
  }
  return layers;
}

function unpackedBytes({ size, compressed }: ImageLayer): number {
  return compressed ? Math.ceil(size * GROWTH) : size;
}

function filesIn(bytes: number): number {
  return Math.min(MAX_ARCHIVE_ENTRIES, Math.ceil(bytes / BYTES_PER_FILE));
}
