import { MIB } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { type Bytes, Reader, RuleBroken } from './bytes.ts';

export interface GgufTensor {
  readonly name: string;
  /** The fastest-varying dimension first. */
  readonly dimensions: readonly bigint[];
  readonly type: number;
  readonly offset: bigint;
}

/** Everything before the tensor data of a GGUF file. */
export interface GgufHead {
  readonly version: number;
  readonly tensors: readonly GgufTensor[];
  /** String values that describe the model, of at most 1 MiB each. */
  readonly texts: ReadonlyMap<string, string>;
  /** Integer values that describe the file. */
  readonly numbers: ReadonlyMap<string, bigint>;
  /** Offset of the first byte after it. */
  readonly end: number;
}

const MAX_KEYS = 100_000;
const MAX_TENSORS = 1_000_000;
const MAX_KEY_BYTES = 65_535;
const MAX_NAME_BYTES = 64;
const MAX_TEXT_BYTES = 64 * MIB;
const MAX_KEPT_BYTES = MIB;
const MAX_KEPT_TOTAL = 16 * MIB;
const MAX_ELEMENTS = 16_000_000;
const MAX_NESTING = 4;
const MAX_DIMENSIONS = 4;
/** Bytes of a value by its type; strings and arrays state their length. */
const SIZES: readonly number[] = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const WHOLE: readonly number[] = [0, 1, 2, 3, 4, 5, 10, 11];
const SIGNED: readonly number[] = [1, 3, 5, 11];
const BOOL = 7;
const TEXT = 8;
const ARRAY = 9;
const KEPT = /^(?:general|split|adapter|clip)\.|^tokenizer\.(?:chat_template|ggml\.model$)/;

/** @throws RuleBroken `gguf-magic`, `-version`, `-limit`, `-key`, `-value`, `-tensor`, `-truncated` */
export async function readGgufHead(bytes: Bytes): Promise<GgufHead> {
  const reader = new Reader(
    bytes,
    0,
    () => new RuleBroken('gguf-truncated', 'the file ends within the GGUF header'),
  );
  const magic = (await bytes.read(0, 4)).toString('latin1');
  if (magic !== 'GGUF')
    throw new RuleBroken(
      'gguf-magic',
      'the file is named as GGUF but does not begin with the GGUF magic',
    );
  reader.skip(4);
  const version = await readVersion(reader);
  const tensorCount = await count(reader, MAX_TENSORS, 'tensors');
  const keyCount = await count(reader, MAX_KEYS, 'keys');
  const texts = new Map<string, string>();
  const numbers = new Map<string, bigint>();
  const keys = new Set<string>();
  let kept = 0;
  for (let index = 0; index < keyCount; index += 1) {
    const key = await readKey(reader);
    if (keys.has(key)) throw new RuleBroken('gguf-key', `duplicate key ${JSON.stringify(key)}`);
    keys.add(key);
    const value = await readValue(reader, await reader.u32(), KEPT.test(key), 0);
    if (typeof value === 'string') {
      kept += value.length;
      if (kept > MAX_KEPT_TOTAL)
        throw new RuleBroken('gguf-limit', 'strings of more than 16 MiB in total');
      texts.set(key, value);
    } else if (value !== undefined) numbers.set(key, value);
  }
  const tensors: GgufTensor[] = [];
  const names = new Set<string>();
  for (let index = 0; index < tensorCount; index += 1) {
    const tensor = await readTensor(reader);
    if (names.has(tensor.name))
      throw new RuleBroken('gguf-tensor', `duplicate tensor ${JSON.stringify(tensor.name)}`);
    names.add(tensor.name);
    tensors.push(tensor);
  }
  return { version, tensors, texts, numbers, end: reader.position };
}

async function readVersion(reader: Reader): Promise<number> {
  let version = await reader.u32();
  if ((version & 0xffff) === 0) {
    reader.bigEndian = true;
    version = Buffer.from(Uint32Array.of(version).buffer).readUInt32BE();
  }
  if (version === 2 || version === 3) return version;
  throw new RuleBroken('gguf-version', `GGUF version ${version}; only 2 and 3 are supported`);
}

async function count(reader: Reader, max: number, what: string): Promise<number> {
  const value = await reader.u64();
  if (value <= BigInt(max)) return Number(value);
  throw new RuleBroken('gguf-limit', `${value} ${what}, more than ${max}`);
}

async function readKey(reader: Reader): Promise<string> {
  const length = await reader.u64();
  if (length === 0n || length > BigInt(MAX_KEY_BYTES))
    throw new RuleBroken('gguf-key', `a key of ${counted(length, 'byte')}`);
  const key = (await reader.take(Number(length))).toString('latin1');
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new RuleBroken('gguf-key', 'a key with characters that are not printable ASCII');
}

async function readText(reader: Reader, kept: boolean): Promise<string | undefined> {
  const length = await reader.u64();
  if (length > BigInt(MAX_TEXT_BYTES))
    throw new RuleBroken('gguf-limit', `a string of ${counted(length, 'byte')}`);
  if (kept && length <= BigInt(MAX_KEPT_BYTES))
    return (await reader.take(Number(length))).toString('utf8');
  reader.skip(Number(length));
  return undefined;
}

async function readValue(
  reader: Reader,
  type: number,
  kept: boolean,
  depth: number,
): Promise<string | bigint | undefined> {
  const size = SIZES[type];
  if (size === undefined) throw new RuleBroken('gguf-value', `a value of unknown type ${type}`);
  if (type === TEXT) return readText(reader, kept);
  if (type === ARRAY) {
    await readArray(reader, depth + 1);
    return undefined;
  }
  const bytes = await reader.take(size);
  if (type === BOOL && (bytes[0] ?? 2) > 1)
    throw new RuleBroken('gguf-value', `a boolean with the value ${bytes[0]}`);
  if (!kept || !WHOLE.includes(type)) return undefined;
  const hex = (reader.bigEndian ? bytes : Buffer.from(bytes).reverse()).toString('hex');
  const value = BigInt(`0x${hex}`);
  return SIGNED.includes(type) ? BigInt.asIntN(size * 8, value) : value;
}

async function readArray(reader: Reader, depth: number): Promise<void> {
  if (depth > MAX_NESTING)
    throw new RuleBroken('gguf-value', `arrays nested more than ${MAX_NESTING} levels deep`);
  const type = await reader.u32();
  const size = SIZES[type];
  if (size === undefined) throw new RuleBroken('gguf-value', `an array of unknown type ${type}`);
  const length = await count(reader, MAX_ELEMENTS, 'elements in an array');
  if (type === TEXT) for (let index = 0; index < length; index += 1) await readText(reader, false);
  else if (type === ARRAY)
    for (let index = 0; index < length; index += 1) await readArray(reader, depth + 1);
  else reader.skip(length * size);
}

async function readTensor(reader: Reader): Promise<GgufTensor> {
  const length = await reader.u64();
  if (length === 0n || length >= BigInt(MAX_NAME_BYTES))
    throw new RuleBroken('gguf-tensor', `a tensor with a name of ${counted(length, 'byte')}`);
  const name = (await reader.take(Number(length))).toString('utf8');
  const rank = await reader.u32();
  if (rank > MAX_DIMENSIONS)
    throw new RuleBroken('gguf-tensor', `tensor ${JSON.stringify(name)} has ${rank} dimensions`);
  const dimensions: bigint[] = [];
  for (let index = 0; index < rank; index += 1) dimensions.push(await reader.u64());
  return { name, dimensions, type: await reader.u32(), offset: await reader.u64() };
}
