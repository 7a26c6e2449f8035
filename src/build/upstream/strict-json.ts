import { type Fields, fieldsOf, parseJson } from '../../core/json.ts';
import { refuse } from './refusal.ts';

/**
 * Parses a JSON object that a signature depends on. Duplicate members are refused: parsers disagree about which one counts.
 * @throws StowageError `upstream-refused`
 */
export function parseStrict(bytes: Uint8Array, what: string): Fields {
  let value: unknown;
  try {
    value = parseJson(bytes);
  } catch (error) {
    const found = error instanceof Error ? error.message : 'something else';
    throw refuse(`${what} cannot be read`, 'a JSON object in UTF-8, with each member once', found);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return fieldsOf(value);
  throw refuse(`${what} cannot be read`, 'a JSON object', 'another JSON value');
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
