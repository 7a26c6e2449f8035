// usage: npm run measure:increments [-- NAME...]: how much of changed models travels, by the way in which files are compared: whole, by
// parts at multiples of a part size, by parts that begin with the tensors, and by content-defined parts, which Stowage does not make.
// The models have the tensors of Llama 3.1 8B with every dimension divided by sixteen, so 1/256 of the bytes, and all part sizes
// are 1/256 of the ones that are printed. Bytes are random, as those of weights almost are. Prints tables for manifests/INCREMENTS.md.
import { createCipheriv, createHash } from 'node:crypto';

const KIB = 1024;
const MIB = 1024 * KIB;
const SCALE = 256;
const BLOCK = 256 * KIB;

/** Bytes that depend on the seed alone. */
interface Piece {
  readonly seed: string;
  readonly length: number;
}

/** A file: what precedes the tensors, and the tensors. */
interface ModelFile {
  readonly header: readonly Piece[];
  readonly tensors: readonly Piece[];
}

type Model = readonly ModelFile[];

interface Shape {
  readonly name: string;
  readonly about: string;
  readonly before: Model;
  readonly after: Model;
  /** Whether it is compared by whole files alone, as layers are. */
  readonly whole?: boolean;
}

const LAYERS = 32;
const WIDTH = 256;
const NARROW = 64;
const INNER = 896;
const WORDS = 8016;
const NEW_WORDS = 4;

/** The tensors of one layer as safetensors orders them, and their sizes in bytes (BF16). */
const layer: readonly (readonly [string, number])[] = [
  ['input_layernorm', WIDTH],
  ['mlp.down_proj', WIDTH * INNER],
  ['mlp.gate_proj', WIDTH * INNER],
  ['mlp.up_proj', WIDTH * INNER],
  ['post_attention_layernorm', WIDTH],
  ['self_attn.k_proj', WIDTH * NARROW],
  ['self_attn.o_proj', WIDTH * WIDTH],
  ['self_attn.q_proj', WIDTH * WIDTH],
  ['self_attn.v_proj', WIDTH * NARROW],
];

const wordTable = (name: string, more: boolean): Piece[] => [
  { seed: name, length: 2 * WORDS * WIDTH },
  ...(more ? [{ seed: `${name} of new words`, length: 2 * NEW_WORDS * WIDTH }] : []),
];

interface Change {
  /** Whether a tensor was trained again. */
  readonly tuned?: (layer: number, tensor: string) => boolean;
  readonly moreWords?: boolean;
}

/** Layers and word tables in so many files of about the same size, as safetensors. */
function sharded(count: number, { tuned = () => false, moreWords = false }: Change = {}): Model {
  const all: Piece[] = [
    ...wordTable('embed_tokens', moreWords),
    ...Array.from({ length: LAYERS }, (_, at) =>
      layer.map(([name, elements]) => ({
        seed: `${at} ${name}${tuned(at, name) ? ' tuned' : ''}`,
        length: 2 * elements,
      })),
    ).flat(),
    ...wordTable('lm_head', moreWords),
  ];
  const total = all.reduce((sum, { length }) => sum + length, 0);
  const files: Piece[][] = [];
  let filled = 0;
  for (const piece of all) {
    const at = Math.min(count - 1, Math.floor((filled / total) * count));
    files[at] = [...(files[at] ?? []), piece];
    filled += piece.length;
  }
  return files.map((tensors) => ({
    // Names, shapes and offsets: other words, or another length of a table, are another header of the same length.
    header: [{ seed: `header ${tensors.map(({ length }) => length).join()}`, length: 128 }],
    // In the order of their names: the table of the last file precedes its layers.
    tensors: [
      ...tensors.filter(({ seed }) => seed.startsWith('lm_head')),
      ...tensors.filter(({ seed }) => !seed.startsWith('lm_head')),
    ],
  }));
}

/** One file with metadata of this many bytes, and tensors at the next multiple of 32. */
function gguf(metadata: number): Model {
  const tensors = sharded(1)[0]?.tensors ?? [];
  const padded = Math.ceil(metadata / 32) * 32;
  return [{ header: [{ seed: `metadata ${metadata}`, length: padded }], tensors }];
}

/** The layers of an image for CUDA, of 9.2 GiB in all, in MiB. */
const LAYERS_OF_IMAGE = [28, 160, 5, 1200, 30, 2500, 4600, 500, 300, 40, 20];
const imageWith = (last: string): Model =>
  [...LAYERS_OF_IMAGE, 60].map((size, at) => {
    const seed = `layer ${at}${at === LAYERS_OF_IMAGE.length ? last : ''}`;
    return { header: [], tensors: [{ seed, length: (size * MIB) / SCALE }] };
  });

const attention = (_: number, tensor: string): boolean => /[qv]_proj/.test(tensor);
const shapes: readonly Shape[] = [
  {
    name: 'three-shards',
    about: 'a fine-tune that changed every tensor of 3 layers, in 3 or 4 of 30 shards',
    before: sharded(30),
    after: sharded(30, { tuned: (at) => at >= 10 && at < 13 }),
  },
  {
    name: 'three-shards-attention',
    about: 'a fine-tune that changed the projections q and v of 3 layers, in 3 or 4 of 30 shards',
    before: sharded(30),
    after: sharded(30, { tuned: (at, name) => at >= 10 && at < 13 && attention(at, name) }),
  },
  {
    name: 'merged-adapter',
    about: 'an adapter for q and v, merged into every layer (4 shards)',
    before: sharded(4),
    after: sharded(4, { tuned: attention }),
  },
  {
    name: 'metadata',
    about: 'a GGUF whose metadata grew by 200 bytes',
    before: gguf(30_000),
    after: gguf(30_200),
  },
  {
    name: 'more-words',
    about:
      'a re-tokenised model: 64 more words, so longer tables in the first and the last of 4 shards',
    before: sharded(4),
    after: sharded(4, { moreWords: true }),
  },
  {
    name: 'image',
    about: 'an image of 9.2 GiB with one new layer of 60 MiB',
    before: imageWith(''),
    after: imageWith(' new'),
    whole: true,
  },
];

/** One way to divide a file. Called with each block of its bytes, in order; `cut` ends a part after so many bytes of the block. */
interface Way {
  readonly name: string;
  /** Bytes of a part on average, unscaled. */
  readonly parts: (file: ModelFile) => (block: Buffer, cut: (at: number) => void) => void;
}

const sizeOf = (pieces: readonly Piece[]): number =>
  pieces.reduce((sum, { length }) => sum + length, 0);

/** Parts at multiples of a size, from an offset. */
function grid(size: number, from = 0): ReturnType<Way['parts']> {
  let offset = 0;
  return (block, cut) => {
    const scaled = size / SCALE;
    const first = offset < from ? from : from + Math.ceil((offset - from + 1) / scaled) * scaled;
    for (let at = first; at <= offset + block.length; at += scaled) cut(at - offset);
    offset += block.length;
  };
}

const GEAR = Uint32Array.from({ length: 256 }, (_, at) =>
  createHash('sha256').update(`gear ${at}`).digest().readUInt32LE(),
);

/** Parts that end where a rolling hash of the last 32 bytes says so (FastCDC without normalisation). */
function contentDefined(average: number): ReturnType<Way['parts']> {
  const scaled = average / SCALE;
  const bits = Math.log2(scaled);
  const shift = 32 - bits;
  let hash = 0;
  let length = 0;
  return (block, cut) => {
    for (let at = 0; at < block.length; at++) {
      hash = ((hash << 1) + (GEAR[block[at] as number] as number)) | 0;
      length++;
      if (length < scaled / 4) continue;
      if (hash >>> shift !== 0 && length < scaled * 4) continue;
      cut(at + 1);
      hash = 0;
      length = 0;
    }
  };
}

const ways: readonly Way[] = [
  { name: 'whole files', parts: () => () => {} },
  { name: 'parts of 1 GiB', parts: () => grid(1024 * MIB) },
  { name: 'parts of 256 MiB', parts: () => grid(256 * MIB) },
  { name: 'parts of 64 MiB', parts: () => grid(64 * MIB) },
  {
    name: '64 MiB from the tensors on',
    parts: ({ header }) => grid(64 * MIB, sizeOf(header)),
  },
  { name: 'content-defined, 4 MiB', parts: () => contentDefined(4 * MIB) },
  { name: 'content-defined, 1 MiB', parts: () => contentDefined(MIB) },
];

function* bytesOf({ header, tensors }: ModelFile): Iterable<Buffer> {
  const zeros = Buffer.alloc(BLOCK);
  for (const { seed, length } of [...header, ...tensors]) {
    const key = createHash('sha256').update(seed).digest();
    const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
    for (let at = 0; at < length; at += BLOCK)
      yield cipher.update(zeros.subarray(0, Math.min(BLOCK, length - at)));
  }
}

interface Divided {
  /** Bytes of each distinct part, by its hash. */
  readonly parts: ReadonlyMap<string, number>;
  readonly count: number;
  /** Time to find the ends of parts, and to hash them, in seconds. */
  readonly finding: number;
  readonly hashing: number;
}

function divide(model: Model, way: Way): Divided {
  const parts = new Map<string, number>();
  let count = 0;
  let finding = 0;
  let hashing = 0;
  for (const file of model) {
    const find = way.parts(file);
    let hash = createHash('sha512');
    let length = 0;
    const end = (): void => {
      if (length === 0) return;
      parts.set(hash.digest('base64'), length);
      count++;
      hash = createHash('sha512');
      length = 0;
    };
    for (const block of bytesOf(file)) {
      const cuts: number[] = [];
      const began = performance.now();
      find(block, (at) => void cuts.push(at));
      const found = performance.now();
      finding += (found - began) / 1000;
      let from = 0;
      for (const at of [...cuts, block.length]) {
        hash.update(block.subarray(from, at));
        length += at - from;
        if (at !== block.length || cuts.includes(at)) end();
        from = at;
      }
      hashing += (performance.now() - found) / 1000;
    }
    end();
  }
  return { parts, count, finding, hashing };
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !shapes.some((each) => each.name === name));
if (unknown.length > 0) {
  console.error(`usage: measure-increments.ts [${shapes.map(({ name }) => name).join('|')}]...`);
  process.exit(2);
}
for (const shape of shapes.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  console.log(`\n${shape.about}\n`);
  console.log('| files are compared | bytes that travel | parts | time beside SHA-512 |');
  console.log('| --- | --- | --- | --- |');
  const total = shape.after.reduce(
    (sum, { header, tensors }) => sum + sizeOf([...header, ...tensors]),
    0,
  );
  for (const way of shape.whole === true ? ways.slice(0, 1) : ways) {
    const before = divide(shape.before, way);
    const after = divide(shape.after, way);
    let travels = 0;
    for (const [sum, bytes] of after.parts) if (!before.parts.has(sum)) travels += bytes;
    const time = ((after.finding + after.hashing) / after.hashing).toFixed(2);
    const percent = ((100 * travels) / total).toFixed(2);
    console.log(`| ${way.name} | ${percent} % | ${after.count} | ${time} |`);
  }
}
