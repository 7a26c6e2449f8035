import { MIB } from '../core/limits.ts';
import type { Rule } from '../format/finding.ts';
import { type Bytes, Reader, RuleBroken } from './bytes.ts';

const MAX_FIELDS = 20_000_000;
const MAX_DEPTH = 100;
const MAX_PATHS = 10_000;
const MAX_TEXT_BYTES = 4096;

type Message =
  | 'model'
  | 'graph'
  | 'node'
  | 'attribute'
  | 'training'
  | 'function'
  | 'sparse'
  | 'tensor';

/** The members that lead to tensors, by message and field number (onnx.proto). */
const MEMBERS: Readonly<Record<Message, Readonly<Record<number, Message>>>> = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  function: { 7: 'node', 11: 'attribute' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: {},
};
/** `TensorProto.external_data`: key and value, with the keys location, offset and length. */
const EXTERNAL_DATA = 13;

/**
 * Finds the files that an ONNX model keeps tensors in (TensorProto.external_data), in all of its graphs, functions and
 * attributes. The tensors inside the model are skipped. A path outside the model's folder is reported as `onnx-path`
 * (CVE-2022-25882).
 * @returns how many bytes each file must have, by its path relative to the model
 * @throws RuleBroken `onnx-malformed`, `examine-limit`
 */
export async function examineOnnx(
  bytes: Bytes,
  report: (rule: Rule, detail: string) => void,
): Promise<Map<string, number>> {
  const walk = new Walk(bytes);
  await walk.message('model', bytes.size, 0);
  for (const path of walk.external.keys()) {
    if (!/^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)/.test(path)) continue;
    report('onnx-path', `the path of a tensor is ${JSON.stringify(path.slice(0, 200))}`);
    break;
  }
  return walk.external;
}

class Walk {
  readonly external = new Map<string, number>();
  readonly #reader: Reader;
  #fields = 0;

  constructor(bytes: Bytes) {
    this.#reader = new Reader(bytes, 0, () => broken('it is truncated'));
  }

  async message(kind: Message, end: number, depth: number): Promise<void> {
    if (depth > MAX_DEPTH)
      throw new RuleBroken('examine-limit', `graphs nested more than ${MAX_DEPTH} levels deep`);
    const entries = new Map<string, string>();
    await this.#fieldsUntil(end, async (field, until) => {
      const member = MEMBERS[kind][field];
      if (member !== undefined) await this.message(member, until, depth + 1);
      else if (kind === 'tensor' && field === EXTERNAL_DATA) {
        const [key, value] = await this.#entry(until);
        entries.set(key, value);
      }
    });
    const location = entries.get('location');
    if (location !== undefined) this.#add(location, entries);
  }

  #add(location: string, entries: ReadonlyMap<string, string>): void {
    const number = (key: string): number => {
      const text = entries.get(key) ?? '0';
      if (!/^\d{1,15}$/.test(text)) throw broken(`the ${key} of external data is not a number`);
      return Number(text);
    };
    const path = location.replace(/^(?:\.\/)+/, '');
    const needed = number('offset') + number('length');
    this.external.set(path, Math.max(needed, this.external.get(path) ?? 0));
    if (this.external.size > MAX_PATHS)
      throw new RuleBroken('examine-limit', `tensors in more than ${MAX_PATHS} files`);
  }

  async #entry(end: number): Promise<[key: string, value: string]> {
    const texts = ['', ''] as [string, string];
    await this.#fieldsUntil(end, async (field, until) => {
      if (field !== 1 && field !== 2) return;
      const length = until - this.#reader.position;
      if (length > MAX_TEXT_BYTES) throw broken('a path that is too long');
      texts[field - 1] = (await this.#reader.take(length)).toString('utf8');
    });
    return texts;
  }

  /** Calls `member` for each field with a length; what it does not read is skipped. */
  async #fieldsUntil(
    end: number,
    member: (field: number, until: number) => Promise<void>,
  ): Promise<void> {
    const reader = this.#reader;
    while (reader.position < end) {
      this.#fields += 1;
      if (this.#fields > MAX_FIELDS)
        throw new RuleBroken('examine-limit', `an ONNX model with more than ${MAX_FIELDS} fields`);
      const tag = await this.#varint();
      const field = Math.floor(tag / 8);
      const wire = tag % 8;
      if (field === 0) throw broken(`invalid field at byte ${reader.position}`);
      if (wire === 0) await this.#varint();
      else if (wire === 1) reader.skip(8);
      else if (wire === 5) reader.skip(4);
      else if (wire === 2) {
        const until = (await this.#varint()) + reader.position;
        if (until > end) throw broken(`a field extends beyond byte ${end}`);
        await member(field, until);
        reader.skip(until - reader.position);
      } else throw broken(`invalid field at byte ${reader.position}`);
    }
    if (reader.position > end) throw broken(`a field extends beyond byte ${end}`);
  }

  /** Exact up to 2^53; no size or tag is larger. */
  async #varint(): Promise<number> {
    let value = 0;
    for (let shift = 0; shift < 10; shift += 1) {
      const byte = await this.#reader.u8();
      value += (byte % 128) * 2 ** (7 * shift);
      if (byte < 128) return value;
    }
    throw broken(`invalid number at byte ${this.#reader.position}`);
  }
}

function broken(detail: string): RuleBroken {
  return new RuleBroken('onnx-malformed', `not a complete ONNX model: ${detail}`);
}

const MAX_XML_BYTES: number = 128 * MIB;
const SPAN_BYTES = MIB;
const NETWORK = /^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*)?<net\s/;
/** Where a constant of the network lies in the file of weights. */
const CONSTANT = /<data\b[^<>]*>/g;

/**
 * How many bytes of weights a network of OpenVINO refers to: its constants are in a file of the same name that ends in
 * `.bin`. Undefined for other XML, and for a network without constants.
 * @throws RuleBroken `examine-limit`
 */
export async function openvinoWeights(bytes: Bytes): Promise<number | undefined> {
  const head = await bytes.read(0, 1024);
  if (!NETWORK.test(head.toString('latin1'))) return undefined;
  if (bytes.size > MAX_XML_BYTES)
    throw new RuleBroken('examine-limit', `a network of more than ${MAX_XML_BYTES} bytes of XML`);
  let needed = 0;
  let rest = '';
  for (let offset = 0; offset < bytes.size; offset += SPAN_BYTES) {
    const text = rest + (await bytes.read(offset, SPAN_BYTES)).toString('latin1');
    for (const [tag] of text.matchAll(CONSTANT)) {
      const number = (name: string): number =>
        Number(new RegExp(`\\s${name}="(\\d{1,15})"`).exec(tag)?.[1] ?? 0);
      const size = number('size');
      if (size > 0) needed = Math.max(needed, number('offset') + size);
    }
    // A tag can continue in the next span.
    const last = text.lastIndexOf('<');
    rest = last < 0 || text.includes('>', last) ? '' : text.slice(last).slice(0, SPAN_BYTES);
  }
  return needed === 0 ? undefined : needed;
}
