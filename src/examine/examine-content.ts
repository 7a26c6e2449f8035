import type { Digest } from '../core/digest.ts';
import { GIB, KIB, MIB } from '../core/limits.ts';
import { pathDefect } from '../core/safe-path.ts';
import type { Rule } from '../format/finding.ts';
import { type Bytes, RuleBroken, sliceBytes, windowedBytes, withoutRanges } from './bytes.ts';
import { decompress } from './compressed.ts';
import { contentKind, HEAD_BYTES } from './content-kind.ts';
import { examineExternal } from './external.ts';
import { examineGguf } from './gguf.ts';
import { examineOnnx, openvinoWeights } from './onnx.ts';
import { npyPickle, scanPickle } from './pickle.ts';
import { examineSafetensors } from './safetensors.ts';
import { checkStandIn } from './stand-in.ts';
import { readTar } from './tar.ts';
import { findZipEnd, readZip, zipMember } from './zip.ts';

const MAX_DEPTH = 4;
const MAX_MEMBERS = 100_000;
/** Larger members of a tar are read by themselves. */
const LARGE_MEMBER_BYTES: number = MIB;
/** Read at once while small members are examined, and while headers are. */
const TAR_WINDOW_BYTES: number = 2 * MIB;
const TAR_HEADERS_BYTES: number = 64 * KIB;
/** Limit of the total decompressed size of all members of one file. */
const MAX_UNPACKED_BYTES: number = 2 * GIB;

export interface Extra {
  readonly digest?: Digest;
  readonly offer?: string;
  /** The path of the member of a tar, which may itself be an archive, in which it was found. */
  readonly member?: string;
}

export type Report = (rule: Rule, detail: string, extra?: Extra) => void;

/** What the header of a file of weights says, for checks across several files. */
export interface Weights {
  /** Bytes of each tensor of a safetensors file. */
  readonly tensors?: ReadonlyMap<string, number>;
  readonly gguf?: GgufFacts;
  /** Files that hold a part of it, relative to its folder, and how many bytes each must have. */
  readonly external?: ReadonlyMap<string, number>;
}

export interface GgufFacts {
  /** How many there are. */
  readonly tensors: number;
  readonly texts: ReadonlyMap<string, string>;
  readonly numbers: ReadonlyMap<string, bigint>;
}

export interface ContentTask {
  /** The file's name. */
  readonly name: string;
  readonly report: Report;
  readonly signal: AbortSignal;
  /** Whether to skip the storages in PyTorch archives, because the content is read over the network. */
  readonly headsOnly?: boolean;
  /** Called for the content itself, without the members that it stores as they are, and for each member of an archive. */
  readonly visit?: (bytes: Bytes, name: string, report: Report) => Promise<void>;
}

/**
 * Examines content by its type: the headers of weights, the opcodes of pickles, and the members of archives,
 * recursively. Nothing is unpacked to disk, and only the parts that are needed are read.
 */
export async function examineContent(bytes: Bytes, task: ContentTask): Promise<Weights> {
  return new Examination(task).run(bytes, task.name, { depth: 0, torch: false, inside: '' });
}

interface Place {
  readonly depth: number;
  readonly torch: boolean;
  /** Names of the enclosing archives, for messages. */
  readonly inside: string;
  /** The outermost member of a tar. */
  readonly member?: string;
}

/** Bytes of an archive that were examined as a member. */
interface Range {
  readonly start: number;
  readonly end: number;
}

interface Archive extends Place {
  readonly examined: Range[];
}

interface Member {
  readonly name: string;
  /** For messages. */
  readonly label: string;
  /** Whether it is in a PyTorch archive. */
  readonly torch: boolean;
}

class Examination {
  readonly #task: ContentTask;
  #members = 0;
  #unpacked = 0;

  constructor(task: ContentTask) {
    this.#task = task;
  }

  async run(bytes: Bytes, name: string, place: Place): Promise<Weights> {
    this.#task.signal.throwIfAborted();
    const report: Report = (rule, detail, extra) =>
      this.#task.report(
        rule,
        place.inside === '' ? detail : `${place.inside}: ${detail}`,
        place.member === undefined ? extra : { ...extra, member: place.member },
      );
    const head = await bytes.read(0, HEAD_BYTES);
    const found = contentKind(head, bytes.size);
    const weights: { -readonly [K in keyof Weights]: Weights[K] } = {};
    if (!(await attempt(report, () => checkStandIn(bytes, name)))) return weights;
    const examined: Range[] = [];
    await attempt(report, () => this.#pickle(bytes, name, place, report));
    // A storage contains only numbers, which may begin with any bytes. PyTorch reads it as nothing else.
    if (place.torch && isStorageName(name)) return weights;
    await attempt(report, async () => {
      switch (found.kind) {
        case 'safetensors':
          weights.tensors = await examineSafetensors(bytes, report);
          return;
        case 'gguf': {
          const { tensors, texts, numbers } = await examineGguf(bytes, report);
          weights.gguf = { tensors: tensors.length, texts, numbers };
          return;
        }
        case 'tar':
          await this.#tar(bytes, { ...place, examined }, report);
          return;
        case 'npy':
          return this.#npy(bytes, name, place);
        case 'compressed':
          return this.#compressed(bytes, name, found.by, place);
        case 'opaque':
          report('archive-opaque', `${found.name}, whose content is not examined`);
          return;
        case 'native':
          report('native-code', found.name);
          return;
        case 'hdf5':
          report(
            'opaque-weights',
            'an HDF5 file, which can contain Keras code and is not examined',
          );
          return;
        case 'zip':
        case 'other':
          weights.external = await byName(bytes, name, report);
      }
    });
    await attempt(report, () =>
      this.#zip(bytes, found.kind === 'zip', { ...place, examined }, report),
    );
    await attempt(report, async () => this.#task.visit?.(without(bytes, examined), name, report));
    return weights;
  }

  async #pickle(bytes: Bytes, name: string, place: Place, report: Report): Promise<void> {
    const { signal } = this.#task;
    const defects = await scanPickle(bytes, { name, torch: place.torch, signal });
    if (defects === undefined) return;
    report('pickle', 'a Python pickle, which can run code when it is loaded');
    for (const { rule, detail } of defects) report(rule, `a pickle: ${detail}`);
  }

  async #npy(bytes: Bytes, name: string, place: Place): Promise<void> {
    const pickle = await npyPickle(bytes);
    if (pickle !== undefined)
      await this.#member(
        pickle,
        { name: `${name}.pkl`, label: 'the objects in the array', torch: false },
        place,
      );
  }

  async #compressed(
    bytes: Bytes,
    name: string,
    by: 'gzip' | 'zlib' | 'zstd',
    place: Place,
  ): Promise<void> {
    await this.#member(
      this.#count(await decompress(bytes, by)),
      { name: name.replace(/\.[^.]*$/, ''), label: `${by} data`, torch: place.torch },
      place,
    );
  }

  async #tar(bytes: Bytes, place: Archive, report: Report): Promise<void> {
    const inOrder = windowedBytes(bytes, TAR_WINDOW_BYTES);
    const entries = await readTar(windowedBytes(bytes, TAR_HEADERS_BYTES));
    const sizes = new Map(entries.map(({ name, size }) => [pathIn(name), size]));
    const torch = sizes.has('pickle') && sizes.has('storages');
    for (const { name, data, size } of entries) {
      const path = pathIn(name);
      checkName(path, report);
      const content = sliceBytes(size < LARGE_MEMBER_BYTES ? inOrder : bytes, data, size);
      const member = { name, label: shown(name), torch };
      const inside = { ...place, member: place.member ?? path };
      const { external } = await this.#member(content, member, inside);
      examineExternal(name, external, sizes, (_, rule, detail) =>
        report(rule, `${member.label}: ${detail}`, { member: inside.member }),
      );
      place.examined.push({ start: data, end: data + size });
    }
  }

  async #zip(bytes: Bytes, begins: boolean, place: Archive, report: Report): Promise<void> {
    const end = await findZipEnd(bytes);
    if (end === undefined) {
      if (begins) throw new RuleBroken('zip-inconsistent', 'a zip file without an end record');
      return;
    }
    const { headsOnly } = this.#task;
    const entries = await readZip(bytes, end, headsOnly === true ? isStorageName : () => false);
    const torch = entries.some((each) => /(?:^|\/)data\.pkl$/.test(each.name));
    for (const entry of entries) {
      if (entry.name.endsWith('/') && entry.size === 0) continue;
      if (headsOnly === true && torch && isStorageName(entry.name)) continue;
      checkName(entry.name, report);
      if (entry.isLink) report('archive-link', `${shown(entry.name)} is a link`);
      await attempt(report, async () => {
        const stored = await zipMember(bytes, entry);
        await this.#member(
          entry.method === 0 ? stored : this.#count(stored),
          { name: entry.name, label: shown(entry.name), torch },
          place,
        );
        if (entry.method === 0)
          place.examined.push({ start: entry.data, end: entry.data + entry.size });
      });
    }
  }

  #count(content: Bytes): Bytes {
    this.#unpacked += content.size;
    if (this.#unpacked > MAX_UNPACKED_BYTES)
      throw new RuleBroken(
        'examine-limit',
        `it decompresses to more than ${MAX_UNPACKED_BYTES} bytes`,
      );
    return content;
  }

  async #member(bytes: Bytes, { name, label, torch }: Member, place: Place): Promise<Weights> {
    this.#members += 1;
    if (this.#members > MAX_MEMBERS)
      throw new RuleBroken('examine-limit', 'archives with too many members');
    const depth = place.depth + 1;
    if (depth > MAX_DEPTH)
      throw new RuleBroken('archive-nested', `archives nested more than ${MAX_DEPTH} levels deep`);
    const inside = place.inside === '' ? label : `${place.inside}, ${label}`;
    const outermost = place.member === undefined ? {} : { member: place.member };
    return this.run(bytes, name, { depth, torch, inside: inside.slice(0, 400), ...outermost });
  }
}

function pathIn(name: string): string {
  return name.replace(/^\.\//, '');
}

/** An archive without what was examined in it already, so that nothing is reported twice. */
function without(bytes: Bytes, examined: readonly Range[]): Bytes {
  if (examined.length === 0) return bytes;
  let end = 0;
  const ranges = examined
    .toSorted((a, b) => a.start - b.start)
    .flatMap((each) => {
      const start = Math.max(each.start, end);
      end = Math.max(each.end, end);
      return start < each.end ? [{ start, end: each.end }] : [];
    });
  return withoutRanges(windowedBytes(bytes, TAR_HEADERS_BYTES), ranges);
}

/**
 * Examines content that was not recognized as the type that its name claims.
 * @returns the files that hold a part of it
 */
async function byName(
  bytes: Bytes,
  name: string,
  report: Report,
): Promise<ReadonlyMap<string, number>> {
  if (/\.onnx$/i.test(name)) return examineOnnx(bytes, report);
  if (/\.safetensors$/i.test(name)) await examineSafetensors(bytes, report);
  else if (/\.gguf$/i.test(name)) await examineGguf(bytes, report);
  else if (/(?:^|\/)saved_model\.pb$|\.(?:engine|plan|mar|torchscript|ptl)$/i.test(name))
    report('opaque-weights', 'a format that can contain code and is not examined');
  const needed = /\.xml$/i.test(name) ? await openvinoWeights(bytes) : undefined;
  const weights = name.slice(name.lastIndexOf('/') + 1).replace(/xml$/i, 'bin');
  return new Map(needed === undefined ? [] : [[weights, needed]]);
}

/** Whether a member of a PyTorch archive is a storage. */
function isStorageName(name: string): boolean {
  return /(?:^|\/)data\/\d+$/.test(name);
}

function checkName(name: string, report: Report): void {
  const defect = pathDefect(name.replace(/\/$/, ''));
  if (defect !== undefined) report('archive-path', `${shown(name)}: ${defect}`);
}

function shown(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}...` : name);
}

/**
 * Runs one check and reports the rule that it throws, so that the next check still runs.
 * @returns whether it passed
 */
async function attempt(report: Report, check: () => Promise<unknown>): Promise<boolean> {
  try {
    await check();
    return true;
  } catch (error) {
    if (!(error instanceof RuleBroken)) throw error;
    report(error.rule, error.message);
    return false;
  }
}
