import { parseJson } from '../../core/canonical-json.ts';
import { type Fields, fieldsOf } from '../../source/remote-json.ts';
import { refuse } from './refusal.ts';

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]/g;
const MAX_DEPTH = 64;

/**
 * A JSON object that a signature depends on. Where one name stands twice in an object, readers disagree about what
 * was signed: such a text is refused.
 * @throws StowageError `upstream-refused`
 */
export function parseStrict(bytes: Uint8Array, what: string): Fields {
  let value: unknown;
  try {
    value = parseJson(bytes);
  } catch {
    throw refuse(`${what} cannot be read`, 'a JSON object in UTF-8', `${bytes.length} other bytes`);
  }
  const defect = memberDefect(Buffer.from(bytes).toString('utf8'));
  if (defect !== undefined) throw refuse(`${what} cannot be read`, 'each member once', defect);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return fieldsOf(value);
  throw refuse(`${what} cannot be read`, 'a JSON object', 'another JSON value');
}

/** @param text JSON that was parsed before */
function memberDefect(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  let last = '';
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const name = String(JSON.parse(last));
      const names = open.at(-1);
      if (names?.has(name) === true) return `${name} twice in one object`;
      names?.add(name);
    }
    if (open.length > MAX_DEPTH) return `more than ${MAX_DEPTH} levels`;
    last = token;
  }
  return undefined;
}

/** Bytes from base64 in its one standard encoding. @throws StowageError `upstream-refused` */
export function strictBase64(value: unknown, what: string): Buffer {
  const text = typeof value === 'string' ? value : '';
  const bytes = Buffer.from(text, 'base64');
  if (text !== '' && bytes.toString('base64') === text) return bytes;
  throw refuse(
    `${what} cannot be read`,
    'base64 of RFC 4648 section 4, padded',
    text === '' ? 'nothing' : 'another encoding',
  );
}
