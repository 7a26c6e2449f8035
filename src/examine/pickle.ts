import { KIB } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import type { Rule } from '../format/finding.ts';
import { type Bytes, Reader, RuleBroken, sliceBytes } from './bytes.ts';
import { type Operand, PickleMachine, PickleStopped } from './pickle-machine.ts';

/**
 * How an opcode's argument is encoded: a number of that many bytes, text to the end of the line (two lines for `lines`),
 * or data after a length of that many bytes.
 */
export type Argument =
  | 'none'
  | 'u1'
  | 'u2'
  | 'u4'
  | 'i4'
  | 'u8'
  | 'f8'
  | 'line'
  | 'lines'
  | 'text1'
  | 'text4'
  | 'text8'
  | 'bytes1'
  | 'bytes4'
  | 'bytes8'
  | 'long1'
  | 'long4';

export interface Opcode {
  readonly name: string;
  readonly argument: Argument;
}

/** All opcodes of pickle protocols 0 to 5, as listed in Python's pickletools. */
const TABLE = `
( MARK none|. STOP none|0 POP none|1 POP_MARK none|2 DUP none
F FLOAT line|I INT line|L LONG line|S STRING line|V UNICODE line|P PERSID line
J BININT i4|K BININT1 u1|M BININT2 u2|N NONE none|G BINFLOAT f8
T BINSTRING text4|U SHORT_BINSTRING text1|X BINUNICODE text4|B BINBYTES bytes4|C SHORT_BINBYTES bytes1
Q BINPERSID none|R REDUCE none|a APPEND none|b BUILD none|c GLOBAL lines|d DICT none|} EMPTY_DICT none
e APPENDS none|g GET line|h BINGET u1|i INST lines|j LONG_BINGET u4|l LIST none|] EMPTY_LIST none|o OBJ none
p PUT line|q BINPUT u1|r LONG_BINPUT u4|s SETITEM none|t TUPLE none|) EMPTY_TUPLE none|u SETITEMS none
80 PROTO u1|81 NEWOBJ none|82 EXT1 u1|83 EXT2 u2|84 EXT4 i4|85 TUPLE1 none|86 TUPLE2 none|87 TUPLE3 none
88 NEWTRUE none|89 NEWFALSE none|8a LONG1 long1|8b LONG4 long4|8c SHORT_BINUNICODE text1|8d BINUNICODE8 text8
8e BINBYTES8 bytes8|8f EMPTY_SET none|90 ADDITEMS none|91 FROZENSET none|92 NEWOBJ_EX none|93 STACK_GLOBAL none
94 MEMOIZE none|95 FRAME u8|96 BYTEARRAY8 bytes8|97 NEXT_BUFFER none|98 READONLY_BUFFER none`;

export const opcodes: ReadonlyMap<number, Opcode> = new Map(
  TABLE.trim()
    .split(/[|\n]/)
    .map((entry) => {
      const [code = '', name = '', argument = ''] = entry.split(' ');
      const byte = code.length === 2 ? Number.parseInt(code, 16) : code.charCodeAt(0);
      return [byte, { name, argument: argument as Argument }];
    }),
);

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

const MAX_HEADER_BYTES = 64 * KIB;

/**
 * The pickle in a NumPy file whose elements are Python objects; undefined for plain numbers (numpy.lib.format,
 * versions 1 to 3).
 * @throws RuleBroken `npy-malformed`
 */
export async function npyPickle(bytes: Bytes): Promise<Bytes | undefined> {
  const head = await bytes.read(0, 12);
  const major = head[6] ?? 0;
  if (head.length < 12 || major < 1 || major > 3) throw malformed('an unknown version');
  const [start, length] = major === 1 ? [10, head.readUInt16LE(8)] : [12, head.readUInt32LE(8)];
  if (length > MAX_HEADER_BYTES || start + length > bytes.size)
    throw malformed(`a header of ${counted(length, 'byte')}`);
  const header = (await bytes.read(start, length)).toString('latin1');
  const [, type, shape] =
    /^\{\s*'descr':\s*('[^']*'|\[.*\]),\s*'fortran_order':\s*(?:True|False),\s*'shape':\s*\(([0-9, ]*)\),?\s*\}\s*$/s.exec(
      header,
    ) ?? [];
  if (type === undefined || shape === undefined) throw malformed('a header that cannot be read');
  const data = start + length;
  if ([...type.matchAll(/'([^']*)'/g)].some(([, each]) => /^[|<>=]?O\d*$/.test(each ?? '')))
    return sliceBytes(bytes, data, bytes.size - data);
  const width = /^'[|<>=][a-zA-Z](\d+)'$/.exec(type)?.[1];
  const count = shape
    .split(',')
    .reduce((product, each) => product * (each.trim() === '' ? 1 : Number(each)), 1);
  const unit = type[2] === 'U' ? 4 : 1;
  if (width !== undefined && count * Number(width) * unit !== bytes.size - data)
    throw malformed('a size that does not match its header');
  return undefined;
}

function malformed(detail: string): RuleBroken {
  return new RuleBroken('npy-malformed', `a NumPy file with ${detail}`);
}
