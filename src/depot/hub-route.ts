const ACTIONS = ['revision', 'tree', 'paths-info', 'refs', 'auth-check'] as const;

/** What a request of the Hub's API is about; the parts of a path are decoded and named nothing on disk yet. */
export type HubRoute =
  | { readonly kind: 'models' | 'whoami' | 'malformed' | 'unknown' }
  /** A repository of data sets, of spaces, or whatever else a depot has none of. */
  | { readonly kind: 'foreign' }
  | {
      readonly kind: (typeof ACTIONS)[number] | 'info' | 'raw' | 'resolve';
      /** `organisation/name`, as the client wrote it. */
      readonly repository: string;
      /** The segments after it: a revision, which may have slashes of its own, and a path. */
      readonly rest: readonly string[];
    };

const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const FOREIGN = ['datasets', 'spaces', 'kernels', 'buckets'];

/**
 * Takes the path of a request apart, percent-encoding and all; undefined when it is none of the Hub's.
 * An encoded slash counts as a slash, in revisions as in paths: clients write both.
 */
export function parseHubRoute(path: string): HubRoute | undefined {
  const raw = path.split('/').slice(1);
  const api = raw[0] === 'api';
  if (!api && !raw.includes('resolve') && raw[2] !== 'raw') return undefined;
  const segments: string[] = [];
  for (const each of raw) {
    const decoded = decodeSegment(each);
    if (decoded === undefined) return { kind: 'malformed' };
    segments.push(...decoded.split('/'));
  }
  return api ? apiRoute(segments.slice(1)) : fileRoute(segments);
}

function apiRoute([kind = '', ...rest]: readonly string[]): HubRoute {
  if (kind === 'whoami-v2' && rest.length === 0) return { kind: 'whoami' };
  if (FOREIGN.includes(kind)) return { kind: 'foreign' };
  if (kind !== 'models') return { kind: 'unknown' };
  if (rest.join('') === '') return { kind: 'models' };
  const [organisation = '', name = '', action, ...after] = rest;
  const repository = `${organisation}/${name}`;
  if (action === undefined) return { kind: 'info', repository, rest: [] };
  const known = ACTIONS.find((each) => each === action);
  return known === undefined ? { kind: 'unknown' } : { kind: known, repository, rest: after };
}

function fileRoute(segments: readonly string[]): HubRoute | undefined {
  const [organisation = '', name = '', kind, ...rest] = segments;
  if (kind === 'resolve' || kind === 'raw')
    return { kind, repository: `${organisation}/${name}`, rest };
  // A data set's files, or those of a repository with a bare name.
  return name === 'resolve' || segments[3] === 'resolve' ? { kind: 'foreign' } : undefined;
}

/**
 * Bytes of a path segment as UTF-8. A client may send bytes that it should have encoded; Node hands them on as
 * Latin-1. Undefined for a broken escape, for bytes that are no UTF-8, and for a NUL.
 */
export function decodeSegment(raw: string): string | undefined {
  if (/%(?![0-9A-Fa-f]{2})|[^\0-\xff]/.test(raw)) return undefined;
  const bytes = raw.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  try {
    const decoded = UTF_8.decode(Buffer.from(bytes, 'latin1'));
    return decoded.includes('\0') ? undefined : decoded;
  } catch {
    return undefined;
  }
}
