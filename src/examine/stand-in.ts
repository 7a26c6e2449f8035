import { KIB } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { type Bytes, RuleBroken } from './bytes.ts';

/** A Git LFS pointer is smaller than 1,024 bytes (git-lfs, docs/spec.md); one of git-annex has at most 32 KiB. */
const MAX_POINTER_BYTES = 32 * KIB;
/** How much of the beginning and of the end is looked at. */
const LOOKED_AT_BYTES: number = KIB;

const WEIGHTS =
  /\.(?:safetensors|gguf|ggml|bin|pt|pth|ckpt|onnx|onnx_data|onnx\.data|h5|keras|msgpack|npz|npy|model|tiktoken|pdparams|pdiparams|engine|plan)$/i;
const SERVER_JSON = /(?:^|\/)(?:tokenizer|tekken|vocab|[\w.-]*config|[\w.-]*\.index)\.json$/i;
const OTHER_DATA =
  /\.(?:json|ya?ml|toml|pb|tar|gz|zip|zst)$|(?:^|\/)(?:(?:vocab|merges)\.txt|[\w.-]*model[\w.-]*\.xml)$/i;
/** OpenVINO writes an empty `.bin` for a model without constants. */
const MAY_BE_EMPTY = /(?<!(?:^|\/)(?:pytorch|adapter|diffusion_pytorch)_model)\.bin$/i;

interface Pointer {
  readonly what: string;
  readonly begins: RegExp;
  /** Finds the number of bytes of the file. */
  readonly size?: RegExp;
}

/** What version control and caches store in place of a file. */
const POINTERS: readonly Pointer[] = [
  {
    what: 'a Git LFS pointer',
    begins:
      /^version https?:\/\/(?:(?:git-lfs|hawser)\.github\.com\/spec\/v1|git-media\.io\/v\/2)\r?\n/,
    size: /^size (\d{1,19})\r?$/m,
  },
  {
    what: 'a git-annex pointer',
    begins: /^(?:(?:\.\.[/\\])*\.git|)[/\\]annex[/\\]objects[/\\][^\n]+\r?\n?/,
    size: /-s(\d{1,19})(?:-[a-zA-Z]\d+)*--/,
  },
  {
    what: 'a Xet pointer',
    begins: /^# xet version \d+(?:\.\d+)*\r?\n/,
    size: /^filesize ?= ?(\d{1,19})\r?$/m,
  },
  {
    what: 'the text of a symbolic link in a Hub cache',
    begins: /^(?:\.\.\/)+blobs\/[0-9a-f]{40,64}\n?$/,
  },
];

const PAGES: readonly (readonly [string, RegExp])[] = [
  ['an HTML page', /^\s*(?:<!--[^>]*-->\s*)?<(?:!doctype\s+html|html|head|body)\b/i],
  ['an XML error message', /^\s*(?:<\?xml[^>]*>\s*)?<Error[\s>]/],
];
const MESSAGES =
  /^\s*(?:\{\s*"(?:errors?|message|detail)"\s*:|Entry not found|Repository not found|Access to model|Invalid username or password|Invalid credentials|Unauthorized|Forbidden|Not Found|40[134][: ])/i;

/**
 * Checks that content is the file that its name says, and all of it: not a pointer of Git LFS, git-annex or Xet, not
 * the answer of a server that refused the download, not empty, and not cut short in a way that its format shows.
 * Formats that state their size have checks of their own.
 * @throws RuleBroken `file-pointer`, `file-error-page`, `file-empty`, `file-cut`
 */
export async function checkStandIn(bytes: Bytes, name: string): Promise<void> {
  const data = WEIGHTS.test(name) || SERVER_JSON.test(name);
  if (bytes.size === 0) {
    if (data && !MAY_BE_EMPTY.test(name)) throw new RuleBroken('file-empty', 'an empty file');
    return;
  }
  const head = (await bytes.read(0, LOOKED_AT_BYTES)).toString('latin1');
  if (bytes.size < MAX_POINTER_BYTES) checkPointer(head);
  if (data || OTHER_DATA.test(name)) {
    const page = PAGES.find(([, begins]) => begins.test(head))?.[0];
    if (page !== undefined)
      throw new RuleBroken('file-error-page', `${page} of ${counted(bytes.size, 'byte')}`);
  }
  if (WEIGHTS.test(name) && bytes.size < MAX_POINTER_BYTES && MESSAGES.test(head))
    throw new RuleBroken('file-error-page', `the error message of a server: ${line(head)}`);
  const tail = (): Promise<Buffer> =>
    bytes.read(Math.max(0, bytes.size - LOOKED_AT_BYTES), LOOKED_AT_BYTES);
  if (SERVER_JSON.test(name)) checkJson(head, (await tail()).toString('latin1'));
  if (/\.tiktoken$/i.test(name)) checkRanks((await tail()).toString('latin1'));
}

function checkPointer(head: string): void {
  const pointer = POINTERS.find(({ begins }) => begins.test(head));
  if (pointer === undefined) return;
  const size = pointer.size?.exec(head)?.[1];
  const to = size === undefined ? '' : ` to a file of ${counted(BigInt(size), 'byte')}`;
  throw new RuleBroken('file-pointer', `${pointer.what}${to}, not the file itself`);
}

function checkJson(head: string, tail: string): void {
  const close = { '{': '}', '[': ']' }[/^(?:\xef\xbb\xbf)?\s*([{[])/.exec(head)?.[1] ?? ''];
  if (close === undefined || tail.trimEnd().endsWith(close)) return;
  throw new RuleBroken('file-cut', `it begins with JSON, but does not end with ${close}`);
}

/** Each line of a tiktoken vocabulary is a token in base64 and its rank. */
function checkRanks(tail: string): void {
  const last = tail.trimEnd().split('\n').at(-1) ?? '';
  if (!/^[A-Za-z0-9+/=]+ \d+\r?$/.test(last))
    throw new RuleBroken('file-cut', `its last line is not a token and its rank: ${line(last)}`);
}

function line(text: string): string {
  return JSON.stringify(text.trim().slice(0, 80));
}
