/** Writers of weights that can be told to break any rule. */

export interface SafetensorsShape {
  /** The header's text, instead of one made from the tensors. */
  readonly text?: string | Buffer;
  readonly length?: bigint;
  readonly data?: number;
}

export interface Tensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** A safetensors file: eight bytes of length, the header padded to a multiple of eight, the data. */
export function safetensorsFile(
  tensors: Readonly<Record<string, Tensor | Readonly<Record<string, unknown>>>>,
  shape: SafetensorsShape = {},
): Buffer {
  const plain = Buffer.from(shape.text ?? JSON.stringify(tensors));
  const header = Buffer.concat([plain, Buffer.alloc((8 - (plain.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(shape.length ?? BigInt(header.length));
  const ends = Object.values(tensors).map((each) =>
    Array.isArray(each['data_offsets']) ? Number(each['data_offsets'][1]) : 0,
  );
  return Buffer.concat([length, header, Buffer.alloc(shape.data ?? Math.max(0, ...ends))]);
}

export interface GgufTensorShape {
  readonly name?: string;
  readonly dims?: readonly (number | bigint)[];
  readonly type?: number;
  readonly offset?: number;
}

export interface GgufShape {
  readonly magic?: string;
  readonly version?: number;
  readonly bigEndian?: boolean;
  readonly tensorCount?: bigint;
  readonly keyCount?: bigint;
  /** Keys with their encoded values: see {@link gguf}. */
  readonly keys?: readonly (readonly [string | Buffer, Buffer])[];
  readonly tensors?: readonly GgufTensorShape[];
  readonly alignment?: number;
  readonly data?: number;
}

/** Encoders of GGUF's values, little-endian. */
export const gguf: {
  u32(value: number): Buffer;
  text(value: string): Buffer;
  array(type: number, items: readonly Buffer[], count?: number): Buffer;
  value(type: number, bytes: Buffer): Buffer;
} = {
  u32: (value) => Buffer.from(Uint32Array.of(value).buffer),
  text: (value) => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]),
  array: (type, items, count) =>
    Buffer.concat([gguf.u32(9), gguf.u32(type), u64(count ?? items.length), ...items]),
  value: (type, bytes) => Buffer.concat([gguf.u32(type), bytes]),
};

export const u64 = (value: number | bigint): Buffer =>
  Buffer.from(BigUint64Array.of(BigInt(value)).buffer);

/** A GGUF file written byte by byte, well-formed unless it is told otherwise. */
export function ggufFile(shape: GgufShape = {}): Buffer {
  const { u32, text } = gguf;
  const tensors = shape.tensors ?? [];
  const keys = shape.keys ?? [['general.architecture', gguf.value(8, text('llama'))]];
  const big = (bytes: Buffer): Buffer =>
    shape.bigEndian === true ? Buffer.from(bytes).reverse() : bytes;
  const key = (name: string | Buffer): Buffer =>
    Buffer.concat([big(u64(Buffer.byteLength(name))), Buffer.from(name)]);
  const head = Buffer.concat([
    Buffer.from(shape.magic ?? 'GGUF'),
    big(u32(shape.version ?? 3)),
    big(u64(shape.tensorCount ?? BigInt(tensors.length))),
    big(u64(shape.keyCount ?? BigInt(keys.length))),
    ...keys.map(([name, value]) => Buffer.concat([key(name), value])),
    ...tensors.map((each) =>
      Buffer.concat([
        key(each.name ?? 'blk.0.weight'),
        big(u32(each.dims?.length ?? 1)),
        ...(each.dims ?? [32]).map((dim) => big(u64(dim))),
        big(u32(each.type ?? 0)),
        big(u64(each.offset ?? 0)),
      ]),
    ),
  ]);
  const alignment = shape.alignment ?? 32;
  const padded = Math.ceil(head.length / alignment) * alignment;
  return Buffer.concat([head, Buffer.alloc(padded - head.length + (shape.data ?? 0))]);
}
