import { counted } from '../core/text.ts';
import type { Rule } from '../format/finding.ts';
import type { Bytes } from './bytes.ts';
import { type Operand, PickleMachine, PickleStopped } from './pickle-machine.ts';
import { type Opcode, opcodes } from './pickle-opcodes.ts';
import { Reader } from './reader.ts';
import { RuleBroken } from './rule-broken.ts';

const MAX_OPCODES = 2_000_000;
const MAX_STREAMS = 1000;
const MAX_TEXT_BYTES = 4096;
const MAX_LINE_BYTES = 1_000_000;
// That many valid opcodes in a row are not a coincidence in numeric data.
const CERTAIN_OPCODES = 6;
const PICKLE_NAME = /\.(?:pkl|pickle|pt|pth|bin|ckpt|joblib|dill)$/i;
/** The magic number of PyTorch's old format, 0x1950a86a20f9469cfc6c, little-endian. */
const LEGACY_MAGIC = '6cfc9c46f9206aa85019';
/** Magic number, version, system information, the object, and the keys of the storages that follow. */
const LEGACY_STREAMS = 5;

export interface PickleOptions {
  /** The file's name, which decides ambiguous cases. */
  readonly name: string;
  /** Whether the pickle is in a PyTorch archive, with its storages. */
  readonly torch: boolean;
  readonly signal: AbortSignal;
}

/** The defects of a pickle; undefined if the content is not a pickle. */
export type PickleVerdict = readonly { readonly rule: Rule; readonly detail: string }[] | undefined;

/**
 * Detects one or several consecutive pickles of any protocol, and reports what their opcodes do that weights do not need.
 * Python executes each opcode as it reads it, so a truncated pickle still runs up to its end.
 */
export async function scanPickle(bytes: Bytes, options: PickleOptions): Promise<PickleVerdict> {
  if (bytes.size === 0) return undefined;
  const scan = new Scan(bytes, options);
  return scan.run();
}

class Scan {
  readonly #bytes: Bytes;
  readonly #options: PickleOptions;
  readonly #defects = new Map<string, { rule: Rule; detail: string }>();
  #opcodes = 0;
  #torch: boolean;

  constructor(bytes: Bytes, options: PickleOptions) {
    this.#bytes = bytes;
    this.#options = options;
    this.#torch = options.torch;
  }

  async run(): Promise<PickleVerdict> {
    const { size } = this.#bytes;
    let position = 0;
    let legacy = false;
    let pickle = false;
    for (let stream = 1; position < size; stream += 1) {
      const found = await this.#stream(position);
      pickle ||= found.certain || (stream === 1 && found.likely);
      if (found.end === undefined) {
        // Text whose beginning looks like a pickle of numbers.
        if (!pickle) return undefined;
        if (stream === 1 || found.certain) this.#add('pickle-broken', found.defect);
        else this.#add('pickle-trailing', `${counted(size - position, 'byte')} after the pickle`);
        break;
      }
      if (stream === 1) legacy = found.magic;
      this.#torch ||= legacy;
      position = found.end;
      if (legacy && stream === LEGACY_STREAMS) break;
      if (stream === MAX_STREAMS)
        throw new RuleBroken('examine-limit', 'more than 1000 consecutive pickles');
    }
    return pickle ? [...this.#defects.values()] : undefined;
  }

  #add(rule: Rule, detail: string): void {
    if (this.#defects.size < 100) this.#defects.set(`${rule} ${detail}`, { rule, detail });
  }

  async #stream(start: number): Promise<{
    readonly end: number | undefined;
    readonly likely: boolean;
    readonly certain: boolean;
    readonly magic: boolean;
    readonly defect: string;
  }> {
    const reader = new Reader(this.#bytes, start, () => new PickleStopped('it is truncated'));
    const machine = new PickleMachine((rule, detail) => this.#add(rule, detail), this.#torch);
    let proto = false;
    let steps = 0;
    let ended = false;
    let defect = '';
    try {
      while (!ended) {
        const code = await reader.u8();
        const opcode = opcodes.get(code);
        if (opcode === undefined)
          throw new PickleStopped(`0x${code.toString(16)} is not an opcode`);
        const operand = await readOperand(opcode, reader);
        ended = machine.step(opcode.name, operand);
        if (steps === 0) proto = opcode.name === 'PROTO' && operand.number >= 2;
        steps += 1;
        this.#count();
      }
    } catch (error) {
      if (!(error instanceof PickleStopped)) throw error;
      defect = `it is invalid from byte ${reader.position} on: ${error.message}`;
    }
    const runs = machine.imports > 0 && (proto || ended || machine.calls > 0);
    const named = PICKLE_NAME.test(this.#options.name);
    const result = machine.result;
    return {
      end: ended ? reader.position : undefined,
      likely: proto && steps > 1 && (ended || steps > CERTAIN_OPCODES || named),
      certain: runs,
      magic: result?.kind === 'long' && result.bytes === LEGACY_MAGIC,
      defect,
    };
  }

  #count(): void {
    this.#opcodes += 1;
    if (this.#opcodes > MAX_OPCODES)
      throw new RuleBroken('examine-limit', `more than ${MAX_OPCODES} pickle opcodes`);
    if (this.#opcodes % 4096 === 0) this.#options.signal.throwIfAborted();
  }
}

async function readOperand(opcode: Opcode, reader: Reader): Promise<Operand> {
  const value = (number: number, text?: string, second = ''): Operand => ({ number, text, second });
  switch (opcode.argument) {
    case 'none':
      return NOTHING;
    case 'u1':
      return value(await reader.u8());
    case 'u2':
      return value(await reader.u16());
    case 'u4':
      return value(await reader.u32());
    case 'i4':
      return value((await reader.u32()) | 0);
    case 'u8':
    case 'f8':
      await reader.take(8);
      return NOTHING;
    case 'line': {
      const text = await readLine(reader);
      return value(parseIndex(text), opcode.name === 'STRING' ? text.slice(1, -1) : text);
    }
    case 'lines':
      return value(0, await readLine(reader), await readLine(reader));
    case 'long1': {
      const bytes = await reader.take(await reader.u8());
      return value(0, bytes.toString('hex'));
    }
    case 'text1':
      return value(0, await readText(reader, await reader.u8()));
    case 'text4':
      return value(0, await readText(reader, await reader.u32()));
    case 'text8':
      return value(0, await readText(reader, Number(await reader.u64())));
    case 'bytes1':
      reader.skip(await reader.u8());
      return NOTHING;
    case 'bytes4':
    case 'long4':
      reader.skip(await reader.u32());
      return NOTHING;
    case 'bytes8':
      reader.skip(Number(await reader.u64()));
      return NOTHING;
  }
}

const NOTHING: Operand = { number: 0, text: undefined, second: '' };

async function readLine(reader: Reader): Promise<string> {
  const line = await reader.line(MAX_LINE_BYTES);
  if (line === undefined) throw new PickleStopped('a line of more than a million bytes');
  return line.toString('utf8');
}

async function readText(reader: Reader, length: number): Promise<string | undefined> {
  if (length <= MAX_TEXT_BYTES) return (await reader.take(length)).toString('utf8');
  reader.skip(length);
  return undefined;
}

function parseIndex(text: string): number {
  return /^\d{1,10}$/.test(text) ? Number(text) : -1;
}
