import { type Sri, sriHex, srisFromHex } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { MAX_BUNDLE_FILES, MAX_CHECKSUMS_BYTES } from '../core/limits.ts';
import { isMediaPath } from '../core/safe-path.ts';
import { counted } from '../core/text.ts';

/** The file that signatures cover, as `sha512sum` reads it. */
export interface Checksum {
  readonly path: string;
  readonly sha512: Sri;
}

const HEX_LENGTH = 128;
const GAP = '  ';

/** `SHA512SUMS` of these files: `<128 hex>  <path>`, sorted bytewise, LF after each line. */
export function writeChecksums(files: readonly Checksum[]): Buffer {
  const sorted = files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  return Buffer.from(
    sorted.map((each) => `${sriHex(each.sha512)}  ${each.path}\n`).join(''),
    'ascii',
  );
}

/**
 * Reads `SHA512SUMS`. Accepts only the bytes that {@link writeChecksums} writes: no escapes, no binary marks, no CR,
 * sorted, no duplicates, a final newline.
 * @throws StowageError `checksums-malformed`
 */
export function readChecksums(bytes: Uint8Array): Checksum[] {
  if (bytes.byteLength > MAX_CHECKSUMS_BYTES) {
    throw malformed(`at most ${MAX_CHECKSUMS_BYTES} bytes`, counted(bytes.byteLength, 'byte'));
  }
  const lines = Buffer.from(bytes).toString('latin1').split('\n');
  if (lines.pop() !== '') throw malformed('a final newline', 'none');
  if (lines.length === 0) throw malformed('a line for each file', 'nothing');
  if (lines.length > MAX_BUNDLE_FILES)
    throw malformed(`at most ${MAX_BUNDLE_FILES} files`, `${lines.length}`);
  const sums = lines.map((line) => line.slice(0, HEX_LENGTH));
  let previous = '';
  const paths = lines.map((line, index) => {
    const path = line.slice(HEX_LENGTH + GAP.length);
    if (!line.startsWith(GAP, HEX_LENGTH) || !isMediaPath(path)) throw malformedLine(line, index);
    if (path <= previous)
      throw malformed('lines sorted, each path once', `line ${index + 1}: ${path}`);
    previous = path;
    return path;
  });
  // It tests all digits at once: the test of each line is for the message.
  const sris = srisFromHex(sums, (at) => malformedLine(lines[at] ?? '', at));
  return paths.map((path, index) => ({ path, sha512: sris[index] as Sri }));
}

function malformedLine(line: string, index: number): StowageError {
  return malformed(
    '128 hex digits, two spaces and a path',
    `line ${index + 1}: ${JSON.stringify(line.slice(0, 200))}`,
  );
}

function malformed(expected: string, found: string): StowageError {
  return new StowageError('checksums-malformed', 'SHA512SUMS is malformed', {
    expected,
    found,
    hint: 'do not use this bundle; ask the release engineer for another copy',
  });
}
