import { hasSri } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { counted, oneLine } from '../../core/text.ts';
import type { Bundle } from '../../format/bundle.ts';
import { readCanonical } from '../../format/document.ts';
import {
  type Rehearsal,
  rehearsalKind,
  rehearsalPaths,
  rehearsedDigest,
} from '../../format/rehearsal.ts';
import { allAlgorithms } from '../../trust/algorithm.ts';
import { verifyDetached } from '../../trust/cms-verify.ts';

/** The rehearsal of a bundle, or why none of it counts, in words. */
export type AttachedRehearsal =
  | {
      readonly rehearsal: Rehearsal;
      /** The charts and objects of the bundle, in words: no target rehearses them. */
      readonly unrehearsed?: string;
    }
  | { readonly rehearsal?: never; readonly missing: string };

const MAX_REASON = 1000;
const MAX_NAMES = 5;

/** The reason for a bundle to which no rehearsal was attached. */
const NOT_ATTACHED = 'none is attached to the bundle';

/**
 * The rehearsal that was attached to a bundle. It counts only if it is as the index lists it, is of this bundle, and has a valid
 * signature; who signed it is not judged, because the signatures of the bundle cover it.
 * @param bundle as it was signed, with all of its optional parts
 * @param read a control file of the bundle; undefined if it is not there
 * @throws StowageError `io-failed`, `interrupted`
 */
export async function attachedRehearsal(
  bundle: Bundle,
  read: (path: string, maxBytes: number) => Promise<Buffer | undefined>,
): Promise<AttachedRehearsal> {
  const listed = Object.values(rehearsalPaths).filter((path) =>
    bundle.control.some((each) => each.path === path),
  );
  if (listed.length === 0) return { missing: NOT_ATTACHED };
  try {
    const [document, signature] = [
      await listedBytes(rehearsalPaths.document, bundle, read),
      await listedBytes(rehearsalPaths.signature, bundle, read),
    ];
    verifyDetached(signature, document, new Set(allAlgorithms));
    const rehearsal = readCanonical(rehearsalKind, document);
    requireSameContent(rehearsal, bundle);
    const unrehearsed = unrehearsedOf(bundle);
    return unrehearsed === undefined ? { rehearsal } : { rehearsal, unrehearsed };
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    if (error.code === 'io-failed' || error.code === 'interrupted') throw error;
    const { message, found = '' } = error;
    const details = found === '' ? '' : ` (found ${found})`;
    return { missing: oneLine(`it does not count: ${message}${details}`, MAX_REASON) };
  }
}

/** What a bundle has of a rehearsal, in one line; undefined if none was attached. */
export function attachedInWords(attached: AttachedRehearsal): string | undefined {
  if (attached.rehearsal === undefined)
    return attached.missing === NOT_ATTACHED ? undefined : attached.missing;
  const { rehearsal, unrehearsed } = attached;
  const words = rehearsalInWords(rehearsal);
  return unrehearsed === undefined ? words : `${words}; not rehearsed: ${unrehearsed}`;
}

/** What of a bundle no target rehearses, in words; undefined for a bundle of services only. */
function unrehearsedOf({ charts = [], objects = [] }: Bundle): string | undefined {
  const names = [
    ...charts.map(({ name }) => `chart ${name}`),
    ...objects.map(({ name }) => `objects ${name}`),
  ];
  if (names.length === 0) return undefined;
  const more = names.length - MAX_NAMES;
  return `${names.slice(0, MAX_NAMES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** A rehearsal in one line: its result, where and when it was, and what it tried to reach. */
export function rehearsalInWords(rehearsal: Rehearsal): string {
  const { passed, target, platform, at, attempts, engine } = rehearsal;
  const unknown = attempts.filter(({ known }) => known === undefined).length;
  const reach =
    attempts.length === 0
      ? 'no attempt to reach out'
      : `${counted(attempts.length, 'attempt')} to reach out, ${unknown === 0 ? 'all known' : `${unknown} unknown`}`;
  return `${passed ? 'passed' : 'did NOT pass'} at ${at} on ${target} (${engine.name} ${engine.version}, ${platform}); ${reach}`;
}

/** @throws StowageError `document-invalid` for the rehearsal of another bundle */
export function requireSameContent({ content, release }: Rehearsal, bundle: Bundle): void {
  const expected = rehearsedDigest(bundle);
  if (content === expected) return;
  const { name, version, seq } = release;
  throw new StowageError('document-invalid', 'the rehearsal is of another bundle', {
    expected: `content ${expected} of ${bundle.name} ${bundle.version}, sequence ${bundle.seq}`,
    found: `content ${content} of ${name} ${version}, sequence ${seq}`,
    hint: 'give the rehearsal of this bundle; stowage rehearse on the connected side makes one',
  });
}

async function listedBytes(
  path: string,
  { control }: Bundle,
  read: (path: string, maxBytes: number) => Promise<Buffer | undefined>,
): Promise<Buffer> {
  const listed = control.find((each) => each.path === path);
  if (listed === undefined) throw unusable(path, 'a line for it in bundle.json', 'none');
  const { size, sha512 } = listed;
  const { maxBytes } = rehearsalKind;
  if (size > maxBytes)
    throw unusable(path, `at most ${counted(maxBytes, 'byte')}`, counted(size, 'byte'));
  const bytes = await read(path, size);
  if (bytes === undefined) throw unusable(path, path, 'nothing');
  if (!hasSri(bytes, sha512)) throw unusable(path, 'the bytes that were signed', 'other bytes');
  return bytes;
}

function unusable(path: string, expected: string, found: string): StowageError {
  return new StowageError('document-invalid', `${path} cannot be used`, {
    expected,
    found,
    hint: 'get the bundle from the release engineer again',
  });
}
