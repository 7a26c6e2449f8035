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
