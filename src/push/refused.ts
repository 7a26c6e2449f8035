import { StowageError } from '../core/error.ts';
import { fieldsOf, textOf } from '../core/fields.ts';
import type { Answer } from '../net/push-client.ts';

/** The error for an answer that is none of those expected, with the registry's own code. */
export function refused(what: string, { status, body }: Answer): StowageError {
  return new StowageError('registry-refused', `the registry did not take ${what}`, {
    expected: 'an answer of the distribution specification',
    found: [`status ${status}`, codeOf(body)].filter((each) => each !== '').join(', '),
    hint: 'look into the log of the registry: its storage may be full, or a limit before it too small (try --chunk-size)',
  });
}

/** The first code of an error body, such as `BLOB_UPLOAD_INVALID`; nothing that could be anything else. */
function codeOf(body: Buffer): string {
  try {
    const { errors } = fieldsOf(JSON.parse(body.toString('utf8')));
    const code = textOf(fieldsOf(Array.isArray(errors) ? errors[0] : undefined)['code'], 64) ?? '';
    return /^[A-Z_]+$/.test(code) ? code : '';
  } catch {
    return '';
  }
}
