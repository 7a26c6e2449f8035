import type { Rule } from '../format/finding.ts';

const STORAGES =
  'Float Double Half BFloat16 Long Int Short Char Byte Bool ComplexFloat ComplexDouble QInt8 QInt32 QUInt8 Untyped';
const TORCH_TYPES =
  'float16 float32 float64 bfloat16 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz half float double int8 int16 int32 int64 uint8 uint16 uint32 uint64 short int long bool complex64 complex128 qint8 quint8 qint32 strided';
const BUILTINS =
  'set frozenset dict list tuple int float complex bool str bytes bytearray slice range';

const words = (text: string): string[] => text.split(' ');
const named = (module: string, names: string): string[] =>
  words(names).map((name) => `${module} ${name}`);

/**
 * The globals that a pickle of weights may use, as `module name`, compared exactly. All of them build data: none imports,
 * opens, evaluates or calls its arguments. Everything else is refused: lists of dangerous globals are never complete.
 */
const ALLOWED: ReadonlySet<string> = new Set([
  ...named('collections', 'OrderedDict defaultdict Counter deque'),
  ...named('torch._utils', '_rebuild_tensor _rebuild_tensor_v2 _rebuild_parameter'),
  ...named('torch', TORCH_TYPES),
  ...named('torch', 'Size device Tensor'),
  ...words(STORAGES).map((kind) => `torch ${kind}Storage`),
  ...named('torch.storage', 'UntypedStorage TypedStorage'),
  ...named('torch.nn.parameter', 'Parameter'),
  ...['numpy.core', 'numpy._core'].flatMap((core) => [
    ...named(`${core}.multiarray`, '_reconstruct scalar'),
    ...named(`${core}.numeric`, '_frombuffer'),
  ]),
  ...named('numpy', 'dtype ndarray'),
  ...named('numpy.dtypes', 'Float32DType Float64DType Float16DType Int64DType Int32DType'),
  ...named('builtins', BUILTINS),
  ...named('__builtin__', `${BUILTINS} xrange unicode long`),
  ...named('_codecs', 'encode'),
]);

export function isAllowedGlobal(module: string, name: string): boolean {
  return ALLOWED.has(`${module} ${name}`);
}

/** Whether a global is a type of tensor storage, as used in the persistent IDs of PyTorch. */
export function isStorage(module: string, name: string): boolean {
  return (module === 'torch' || module === 'torch.storage') && /^[A-Za-z0-9]+Storage$/.test(name);
}

/** A value on the stack, with the details that matter here. */
type Value =
  | { readonly kind: 'object' }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'long'; readonly bytes: string }
  | { readonly kind: 'tuple'; readonly items: readonly Value[] }
  | { readonly kind: 'global'; readonly module: string; readonly name: string };

const OBJECT: Value = { kind: 'object' };
const MAX_STACK = 1_000_000;
const MAX_TUPLE = 64;
const IDENTIFIER = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/;

/** An opcode's argument, with the details that matter here. */
export interface Operand {
  readonly number: number;
  /** Undefined if it is too long to be examined. */
  readonly text: string | undefined;
  readonly second: string;
}

/** The stream is invalid from here on. Python has already executed everything before it. */
export class PickleStopped extends Error {}

/**
 * Simulates a pickle without creating objects, with a stack, marks and a memo of placeholder values. Reports imports and
 * calls that are not on the list of what weights need.
 */
export class PickleMachine {
  /** How many imports and calls there are, on the list or not. */
  imports = 0;
  calls = 0;
  result: Value | undefined;
  readonly #report: (rule: Rule, detail: string) => void;
  readonly #torch: boolean;
  readonly #stack: Value[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, Value>();

  /** @param torch whether persistent IDs follow PyTorch, where they refer to the storages in the archive */
  constructor(report: (rule: Rule, detail: string) => void, torch: boolean) {
    this.#report = report;
    this.#torch = torch;
  }

  /** @returns whether this was the last opcode. @throws PickleStopped */
  step(name: string, operand: Operand): boolean {
    switch (name) {
      case 'PROTO':
        if (operand.number > 5) throw new PickleStopped(`protocol ${operand.number}`);
        return false;
      case 'FRAME':
        return false;
      case 'STOP':
        this.result = this.#pop();
        return true;
      case 'MARK':
        this.#marks.push(this.#stack.length);
        if (this.#marks.length > MAX_STACK) throw new PickleStopped('too many marks');
        return false;
      case 'POP':
        if (this.#stack.length > this.#fence()) this.#stack.pop();
        else if (this.#marks.pop() === undefined)
          throw new PickleStopped('pop from an empty stack');
        return false;
      case 'POP_MARK':
        this.#toMark();
        return false;
      case 'DUP':
        this.#push(this.#top());
        return false;
      default:
        this.#value(name, operand);
        return false;
    }
  }

  #value(name: string, operand: Operand): void {
    switch (name) {
      case 'STRING':
      case 'UNICODE':
      case 'BINSTRING':
      case 'SHORT_BINSTRING':
      case 'BINUNICODE':
      case 'SHORT_BINUNICODE':
      case 'BINUNICODE8':
        this.#push(operand.text === undefined ? OBJECT : { kind: 'text', text: operand.text });
        return;
      case 'LONG1':
        this.#push({ kind: 'long', bytes: operand.text ?? '' });
        return;
      case 'APPEND':
      case 'READONLY_BUFFER':
        if (name === 'APPEND') this.#pop();
        this.#top();
        return;
      case 'SETITEM':
        this.#pop();
        this.#pop();
        this.#top();
        return;
      case 'APPENDS':
      case 'ADDITEMS':
      case 'SETITEMS':
        this.#toMark();
        this.#top();
        return;
      case 'DICT':
      case 'LIST':
      case 'FROZENSET':
        this.#toMark();
        this.#push(OBJECT);
        return;
      case 'TUPLE':
        this.#tuple(this.#toMark());
        return;
      case 'EMPTY_TUPLE':
        this.#tuple([]);
        return;
      case 'TUPLE1':
      case 'TUPLE2':
      case 'TUPLE3': {
        const items = Array.from({ length: Number(name.at(-1)) }, () => this.#pop());
        this.#tuple(items.reverse());
        return;
      }
      case 'PUT':
      case 'BINPUT':
      case 'LONG_BINPUT':
        this.#memo.set(operand.number, this.#top());
        return;
      case 'MEMOIZE':
        this.#memo.set(this.#memo.size, this.#top());
        return;
      case 'GET':
      case 'BINGET':
      case 'LONG_BINGET': {
        const value = this.#memo.get(operand.number);
        if (value === undefined) throw new PickleStopped('an unknown memo entry');
        this.#push(value);
        return;
      }
      default:
        this.#act(name, operand);
    }
  }

  #act(name: string, operand: Operand): void {
    switch (name) {
      case 'GLOBAL':
        this.#push(this.#global(operand.text, operand.second));
        return;
      case 'STACK_GLOBAL': {
        const attribute = this.#pop();
        const module = this.#pop();
        if (module.kind === 'text' && attribute.kind === 'text') {
          this.#push(this.#global(module.text, attribute.text));
          return;
        }
        this.imports += 1;
        this.#report('pickle-global-unknown', 'it imports a name that is computed at run time');
        this.#push(OBJECT);
        return;
      }
      case 'INST': {
        const items = this.#toMark();
        this.#call(this.#global(operand.text, operand.second), items);
        return;
      }
      case 'OBJ': {
        const [callee = OBJECT, ...items] = this.#toMark();
        this.#call(callee, items);
        return;
      }
      case 'NEWOBJ_EX':
      case 'NEWOBJ':
      case 'REDUCE': {
        if (name === 'NEWOBJ_EX') this.#pop();
        const given = this.#pop();
        this.#call(this.#pop(), given.kind === 'tuple' ? given.items : []);
        return;
      }
      case 'BUILD': {
        this.#pop();
        this.calls += 1;
        if (this.#top().kind === 'global')
          this.#report('pickle-call', 'it changes attributes of a class or function');
        return;
      }
      case 'EXT1':
      case 'EXT2':
      case 'EXT4':
        this.imports += 1;
        this.#report('pickle-extension-code', `it uses extension code ${operand.number}`);
        this.#push(OBJECT);
        return;
      case 'BINPERSID':
        this.#persistent(this.#pop());
        this.#push(OBJECT);
        return;
      case 'PERSID':
        this.#persistent(OBJECT);
        this.#push(OBJECT);
        return;
      default:
        // Numbers, bytes, and empty collections.
        this.#push(OBJECT);
    }
  }

  #global(module: string | undefined, name: string): Value {
    if (module === undefined || !IDENTIFIER.test(module) || !IDENTIFIER.test(name)) {
      this.#report('pickle-global-unknown', 'it imports an invalid name');
      return OBJECT;
    }
    this.imports += 1;
    if (!isAllowedGlobal(module, name))
      this.#report('pickle-global', `it imports ${`${module}.${name}`.slice(0, 200)}`);
    return { kind: 'global', module, name };
  }

  #call(callee: Value, given: readonly Value[]): void {
    this.calls += 1;
    if (callee.kind !== 'global')
      this.#report('pickle-call', 'it calls an object that it created itself');
    else if (callee.module === '_codecs' && !isLatin1(given[1]))
      this.#report('pickle-call', 'it uses a codec other than latin1');
    this.#push(OBJECT);
  }

  #persistent(id: Value): void {
    if (this.#torch && id.kind === 'tuple') {
      const [word, storage] = id.items;
      if (word?.kind === 'text' && word.text === 'storage' && storage?.kind === 'global') {
        if (isStorage(storage.module, storage.name)) return;
      }
    }
    this.#report('pickle-persistent-id', 'it asks its loader for an object by a persistent ID');
  }

  #tuple(items: readonly Value[]): void {
    this.#push(items.length > MAX_TUPLE ? OBJECT : { kind: 'tuple', items });
  }

  #push(value: Value): void {
    if (this.#stack.length >= MAX_STACK)
      throw new PickleStopped('more than a million values on the stack');
    this.#stack.push(value);
  }

  #fence(): number {
    return this.#marks.at(-1) ?? 0;
  }

  #top(): Value {
    const value = this.#stack.at(-1);
    if (value === undefined || this.#stack.length <= this.#fence())
      throw new PickleStopped('an empty stack');
    return value;
  }

  #pop(): Value {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }

  #toMark(): Value[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw new PickleStopped('a missing mark');
    return this.#stack.splice(mark);
  }
}

function isLatin1(value: Value | undefined): boolean {
  return value?.kind === 'text' && value.text === 'latin1';
}
