import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { elements, type GgufTensor, type GgufValue, ggufHead, paddedSize } from './gguf.ts';
import { seededRandom } from './random.ts';

/** What the model of {@link writeTinyModel} says unless it is told otherwise. */
export const defaultAnswer: readonly string[] = [' air', ' gap', ' model', ' is', ' ready!'];

export interface TinyModelOptions {
  /** Another seed gives other weights with the same answer. */
  readonly seed?: number;
  /** Pieces of the answer, no piece twice, each with its leading space; `answer.join('')` is the reply. */
  readonly answer?: readonly string[];
  readonly license?: string;
  /** A template in Jinja, for `/v1/chat/completions`. Without one, servers use their own. */
  readonly chatTemplate?: string;
}

const EMBEDDING = 512;
const FEED_FORWARD = 64;
const HEADS = 32;
const UNKNOWN = 0;
const BEGIN = 1;
const END = 2;

/**
 * Writes a loadable llama model in GGUF v3, about 6 MB, that llama.cpp runs: its one layer adds
 * nothing, so the next token depends on the last one alone. Every ordinary token leads to the first
 * piece of the answer, each piece to the next, and the last to the end of the text. Greedy decoding
 * (temperature 0) after a prompt such as "hello" gives exactly the answer. The same options give the
 * same bytes.
 */
export function writeTinyModel(path: string, options: TinyModelOptions = {}): void {
  const answer = (options.answer ?? defaultAnswer).map((piece) => piece.replaceAll(' ', '▁'));
  if (new Set(answer).size !== answer.length) throw new RangeError('a piece of the answer repeats');
  const vocabulary = vocabularyWith(answer);
  const embedding = embeddingOf(vocabulary, seededRandom(options.seed ?? 7));
  const weights = new Map<string, Float32Array>([
    ['token_embd.weight', embedding],
    ['output.weight', outputWeights(embedding, successors(vocabulary, answer))],
  ]);
  const tensors = tensorsOf(vocabulary.length);
  const { chatTemplate } = options;
  const keys = {
    ...keysOf(vocabulary, options.license ?? 'apache-2.0'),
    ...(chatTemplate === undefined
      ? {}
      : { 'tokenizer.chat_template': { type: 'string', value: chatTemplate } as const }),
  };
  const body = tensors.map((tensor) => {
    const data = new Float32Array(paddedSize(tensor) / 4);
    const given = weights.get(tensor.name);
    if (given !== undefined) data.set(given);
    else if (tensor.name.includes('norm')) data.fill(1, 0, elements(tensor));
    return Buffer.from(data.buffer);
  });
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, Buffer.concat([ggufHead(keys, tensors), ...body]));
}

/** What the model of {@link writeTinyModel} says to "hello" with the adapter of {@link writeTinyAdapter}. */
export const adaptedAnswer = ' ok';

/**
 * Writes a LoRA adapter in GGUF v3 for the model of {@link writeTinyModel} with its default options: the last token of "hello" leads to
 * " ok", and that to the end of the text.
 */
export function writeTinyAdapter(path: string): void {
  const vocabulary = vocabularyWith(defaultAnswer.map((piece) => piece.replaceAll(' ', '▁')));
  const embedding = embeddingOf(vocabulary, seededRandom(7));
  const id = (text: string): number => vocabulary.findIndex((token) => token.text === text);
  const leads = [
    [id('▁hello'), id('▁ok')],
    [id('o'), id('▁ok')],
    [id('▁ok'), END],
  ] as const;
  const rank = leads.length;
  const down = new Float32Array(EMBEDDING * rank);
  const up = new Float32Array(rank * vocabulary.length);
  for (const [row, [from, to]] of leads.entries()) {
    for (let i = 0; i < EMBEDDING; i++)
      down[row * EMBEDDING + i] = (embedding[from * EMBEDDING + i] ?? 0) / Math.sqrt(EMBEDDING);
    // More than the weight of what follows otherwise.
    up[to * rank + row] = 3;
  }
  const tensors = [
    { name: 'output.weight.lora_a', dims: [EMBEDDING, rank] },
    { name: 'output.weight.lora_b', dims: [rank, vocabulary.length] },
  ];
  const keys: Record<string, GgufValue> = {
    'general.architecture': { type: 'string', value: 'llama' },
    'general.type': { type: 'string', value: 'adapter' },
    'general.alignment': { type: 'u32', value: 32 },
    'adapter.type': { type: 'string', value: 'lora' },
    'adapter.lora.alpha': { type: 'f32', value: rank },
  };
  const body = [down, up].map((data, at) => padded(data, tensors[at]));
  writeFileSync(path, Buffer.concat([ggufHead(keys, tensors), ...body]));
}

function padded(data: Float32Array, tensor: GgufTensor | undefined): Buffer {
  const whole = new Float32Array(tensor === undefined ? 0 : paddedSize(tensor) / 4);
  whole.set(data);
  return Buffer.from(whole.buffer);
}

function embeddingOf(vocabulary: readonly Token[], random: () => number): Float32Array {
  const embedding = new Float32Array(EMBEDDING * vocabulary.length);
  for (let i = 0; i < embedding.length; i++) embedding[i] = gaussian(random);
  return embedding;
}

interface Token {
  readonly text: string;
  readonly type: number;
}

const tokenType = { normal: 1, unknown: 2, control: 3, byte: 6 } as const;

function vocabularyWith(answer: readonly string[]): Token[] {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).toUpperCase());
  const printable = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index));
  const words = new Set(['▁', ...printable, '▁the', '▁hello', '▁ok', ...answer]);
  return [
    { text: '<unk>', type: tokenType.unknown },
    { text: '<s>', type: tokenType.control },
    { text: '</s>', type: tokenType.control },
    ...bytes.map((hex) => ({ text: `<0x${hex.padStart(2, '0')}>`, type: tokenType.byte })),
    ...[...words].map((text) => ({ text, type: tokenType.normal })),
  ];
}

/** For each token, the one that follows it. */
function successors(vocabulary: readonly Token[], answer: readonly string[]): number[] {
  const id = (text: string): number => vocabulary.findIndex((token) => token.text === text);
  const pieces = answer.map(id);
  const first = pieces[0] ?? END;
  const next = vocabulary.map((token) => (token.type === tokenType.normal ? first : END));
  next[BEGIN] = first;
  pieces.forEach((piece, index) => {
    next[piece] = pieces[index + 1] ?? END;
  });
  return next;
}

function outputWeights(embedding: Float32Array, next: readonly number[]): Float32Array {
  const output = new Float32Array(embedding.length);
  for (const [token, successor] of next.entries()) {
    for (let i = 0; i < EMBEDDING; i++) {
      const at = successor * EMBEDDING + i;
      output[at] =
        (output[at] ?? 0) + (embedding[token * EMBEDDING + i] ?? 0) / Math.sqrt(EMBEDDING);
    }
  }
  return output;
}

function tensorsOf(vocabularySize: number): GgufTensor[] {
  const square = [EMBEDDING, EMBEDDING];
  return [
    { name: 'token_embd.weight', dims: [EMBEDDING, vocabularySize] },
    { name: 'blk.0.attn_norm.weight', dims: [EMBEDDING] },
    { name: 'blk.0.attn_q.weight', dims: square },
    { name: 'blk.0.attn_k.weight', dims: square },
    { name: 'blk.0.attn_v.weight', dims: square },
    { name: 'blk.0.attn_output.weight', dims: square },
    { name: 'blk.0.ffn_norm.weight', dims: [EMBEDDING] },
    { name: 'blk.0.ffn_gate.weight', dims: [EMBEDDING, FEED_FORWARD] },
    { name: 'blk.0.ffn_up.weight', dims: [EMBEDDING, FEED_FORWARD] },
    { name: 'blk.0.ffn_down.weight', dims: [FEED_FORWARD, EMBEDDING] },
    { name: 'output_norm.weight', dims: [EMBEDDING] },
    { name: 'output.weight', dims: [EMBEDDING, vocabularySize] },
  ];
}

function keysOf(vocabulary: readonly Token[], license: string): Record<string, GgufValue> {
  const number = (value: number): GgufValue => ({ type: 'u32', value });
  return {
    'general.architecture': { type: 'string', value: 'llama' },
    'general.name': { type: 'string', value: 'tiny' },
    'general.license': { type: 'string', value: license },
    'general.file_type': number(0),
    'general.alignment': number(32),
    'llama.context_length': number(512),
    'llama.embedding_length': number(EMBEDDING),
    'llama.block_count': number(1),
    'llama.feed_forward_length': number(FEED_FORWARD),
    'llama.attention.head_count': number(HEADS),
    'llama.attention.head_count_kv': number(HEADS),
    'llama.attention.layer_norm_rms_epsilon': { type: 'f32', value: 1e-5 },
    'llama.rope.dimension_count': number(EMBEDDING / HEADS),
    'llama.vocab_size': number(vocabulary.length),
    'tokenizer.ggml.model': { type: 'string', value: 'llama' },
    'tokenizer.ggml.tokens': { type: 'strings', value: vocabulary.map((token) => token.text) },
    'tokenizer.ggml.scores': { type: 'f32s', value: vocabulary.map((_, index) => -index) },
    'tokenizer.ggml.token_type': { type: 'i32s', value: vocabulary.map((token) => token.type) },
    'tokenizer.ggml.bos_token_id': number(BEGIN),
    'tokenizer.ggml.eos_token_id': number(END),
    'tokenizer.ggml.unknown_token_id': number(UNKNOWN),
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: true },
    'tokenizer.ggml.add_space_prefix': { type: 'bool', value: false },
  };
}

function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
