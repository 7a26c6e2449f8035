import { RuleBroken } from './bytes.ts';

/** A tensor as a safetensors header describes it. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly bigint[];
  readonly begin: bigint;
  readonly end: bigint;
}

const MAX_DIMENSIONS = 64;

/**
 * The tensors in a safetensors header, in order. The JSON is parsed token by token, which detects duplicate keys, keeps
 * 64-bit numbers exact, and needs memory only for the tensors.
 * @throws RuleBroken `safetensors-json`, `-duplicate`, `-metadata`, `-tensor`
 */
export function parseSafetensorsHeader(header: Buffer): TensorInfo[] {
  const cursor = new Cursor(header);
  const tensors: TensorInfo[] = [];
  const names = new Set<string>();
  cursor.members((name) => {
    if (names.has(name))
      throw new RuleBroken('safetensors-duplicate', `duplicate tensor ${shown(name)}`);
    names.add(name);
    if (name === '__metadata__') readMetadata(cursor);
    else tensors.push(readTensor(name, cursor));
  });
  cursor.end();
  return tensors;
}

function readMetadata(cursor: Cursor): void {
  const keys = new Set<string>();
  if (cursor.peek() !== '{')
    throw new RuleBroken('safetensors-metadata', 'the metadata is not an object');
  cursor.members((key) => {
    if (keys.has(key))
      throw new RuleBroken('safetensors-duplicate', `duplicate metadata key ${shown(key)}`);
    keys.add(key);
    if (cursor.peek() !== '"')
      throw new RuleBroken(
        'safetensors-metadata',
        `the metadata value of ${shown(key)} is not a string`,
      );
    cursor.string();
  });
}

function readTensor(name: string, cursor: Cursor): TensorInfo {
  let dtype: string | undefined;
  let shape: bigint[] | undefined;
  let offsets: bigint[] | undefined;
  const defect = (detail: string): RuleBroken =>
    new RuleBroken('safetensors-tensor', `tensor ${shown(name)} ${detail}`);
  if (cursor.peek() !== '{') throw defect('is not an object');
  const keys = new Set<string>();
  cursor.members((key) => {
    if (keys.has(key))
      throw new RuleBroken(
        'safetensors-duplicate',
        `tensor ${shown(name)} has a duplicate key ${shown(key)}`,
      );
    keys.add(key);
    const next = cursor.peek();
    if (key === 'dtype' && next === '"') dtype = cursor.string();
    else if (key === 'shape' && next === '[') shape = cursor.integers();
    else if (key === 'data_offsets' && next === '[') offsets = cursor.integers();
    else throw defect(`has an invalid member ${shown(key)}`);
  });
  const [begin, end, ...more] = offsets ?? [];
  if (dtype === undefined || shape === undefined) throw defect('has no dtype or shape');
  if (begin === undefined || end === undefined || more.length > 0)
    throw defect('does not have two offsets');
  return { name, dtype, shape, begin, end };
}

function shown(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name);
}

/** A position in JSON text. */
class Cursor {
  readonly #text: Buffer;
  #at = 0;

  constructor(text: Buffer) {
    this.#text = text;
  }

  peek(): string {
    for (; this.#at < this.#text.length; this.#at += 1) {
      const byte = this.#text[this.#at];
      if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) break;
    }
    return String.fromCharCode(this.#text[this.#at] ?? 0);
  }

  /** Reads an object; `member` must read the value of the key. */
  members(member: (key: string) => void): void {
    this.#take('{');
    if (this.peek() === '}') {
      this.#at += 1;
      return;
    }
    do {
      const key = this.string();
      this.#take(':');
      member(key);
    } while (this.#comma('}'));
  }

  integers(): bigint[] {
    this.#take('[');
    const numbers: bigint[] = [];
    if (this.peek() === ']') {
      this.#at += 1;
      return numbers;
    }
    do {
      if (numbers.length === MAX_DIMENSIONS)
        throw new RuleBroken('safetensors-tensor', `a list of more than ${MAX_DIMENSIONS} numbers`);
      numbers.push(this.#integer());
    } while (this.#comma(']'));
    return numbers;
  }

  string(): string {
    if (this.peek() !== '"') throw this.#defect();
    const start = this.#at;
    let at = start + 1;
    for (; this.#text[at] !== 0x22; at += this.#text[at] === 0x5c ? 2 : 1)
      if (at >= this.#text.length) throw this.#defect();
    this.#at = at + 1;
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(
        this.#text.subarray(start, this.#at),
      );
      return JSON.parse(text) as string;
    } catch {
      throw this.#defect();
    }
  }

  end(): void {
    if (this.peek() !== '\0' || this.#at < this.#text.length) throw this.#defect();
  }

  #integer(): bigint {
    this.peek();
    const digits = /^(?:0|[1-9][0-9]{0,19})(?=[\s,\]])/.exec(
      this.#text.toString('latin1', this.#at, this.#at + 22),
    )?.[0];
    const value = BigInt(digits ?? -1);
    if (digits === undefined || value > 0xffff_ffff_ffff_ffffn)
      throw new RuleBroken(
        'safetensors-tensor',
        `expected an integer from 0 to 2^64 at byte ${this.#at}`,
      );
    this.#at += digits.length;
    return value;
  }

  #comma(close: string): boolean {
    const next = this.peek();
    if (next !== ',' && next !== close) throw this.#defect();
    this.#at += 1;
    return next === ',';
  }

  #take(character: string): void {
    if (this.peek() !== character) throw this.#defect();
    this.#at += 1;
  }

  #defect(): RuleBroken {
    return new RuleBroken('safetensors-json', `the JSON header is invalid at byte ${this.#at}`);
  }
}
