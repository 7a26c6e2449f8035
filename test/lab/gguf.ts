/** A value of a GGUF key: the kinds that a tiny llama model needs. */
export type GgufValue =
  | { readonly type: 'u32' | 'f32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'f32s' | 'i32s'; readonly value: readonly number[] };

/** An F32 tensor: its name and its dimensions, the fastest first. */
export interface GgufTensor {
  readonly name: string;
  readonly dims: readonly number[];
}

/** Where tensor data begins and each tensor's size is padded to, in bytes. */
export const GGUF_ALIGNMENT = 32;

const code = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;

const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer);
const i32 = (value: number): Buffer => Buffer.from(Int32Array.of(value).buffer);
const u64 = (value: number): Buffer => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
const f32 = (value: number): Buffer => Buffer.from(Float32Array.of(value).buffer);
const string = (text: string): Buffer =>
  Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)]);
const array = (element: number, items: readonly Buffer[]): Buffer =>
  Buffer.concat([u32(code.array), u32(element), u64(items.length), ...items]);

function encode(entry: GgufValue): Buffer {
  switch (entry.type) {
    case 'u32':
      return Buffer.concat([u32(code.u32), u32(entry.value)]);
    case 'f32':
      return Buffer.concat([u32(code.f32), f32(entry.value)]);
    case 'bool':
      return Buffer.concat([u32(code.bool), Buffer.of(entry.value ? 1 : 0)]);
    case 'string':
      return Buffer.concat([u32(code.string), string(entry.value)]);
    case 'strings':
      return array(code.string, entry.value.map(string));
    case 'f32s':
      return array(code.f32, entry.value.map(f32));
    case 'i32s':
      return array(code.i32, entry.value.map(i32));
  }
}

/** The number of elements of a tensor. */
export function elements(tensor: GgufTensor): number {
  return tensor.dims.reduce((product, dim) => product * dim, 1);
}

/** The bytes that a tensor takes in the file, padding included. */
export function paddedSize(tensor: GgufTensor): number {
  return Math.ceil((elements(tensor) * 4) / GGUF_ALIGNMENT) * GGUF_ALIGNMENT;
}

/** The head of a GGUF version 3 file, padded to where the first tensor's data begins (ggml docs/gguf.md). */
export function ggufHead(
  keys: Readonly<Record<string, GgufValue>>,
  tensors: readonly GgufTensor[],
): Buffer {
  const parts: Buffer[] = [Buffer.from('GGUF'), u32(3), u64(tensors.length)];
  parts.push(u64(Object.keys(keys).length));
  for (const [key, entry] of Object.entries(keys)) parts.push(string(key), encode(entry));
  let offset = 0;
  for (const tensor of tensors) {
    const dims = tensor.dims.map(u64);
    parts.push(string(tensor.name), u32(dims.length), ...dims, u32(0), u64(offset));
    offset += paddedSize(tensor);
  }
  const head = Buffer.concat(parts);
  const size = Math.ceil(head.length / GGUF_ALIGNMENT) * GGUF_ALIGNMENT;
  return Buffer.concat([head, Buffer.alloc(size - head.length)]);
}
