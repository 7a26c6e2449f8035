const ACTIONS = ['revision', 'tree', 'paths-info', 'refs', 'auth-check'] as const;

/** The endpoint of a Hub request, with the decoded parts of its path. They are not paths on disk. */
export type HubRoute =
  | { readonly kind: 'models' | 'whoami' | 'malformed' | 'unknown' }
  /** A repository of data sets, spaces or anything else that a depot does not have. */
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
 * Parses and decodes the path of a request; undefined if it does not belong to the Hub's API.
 * An encoded slash counts as a slash, in revisions and in paths: clients send both.
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
  // Files of a data set, or of a repository without an organisation.
  return name === 'resolve' || segments[3] === 'resolve' ? { kind: 'foreign' } : undefined;
}

/**
 * Decodes a path segment as UTF-8. A client may send bytes that it should have encoded, which Node passes as Latin-1.
 * Undefined for an invalid escape, invalid UTF-8, or a NUL.
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
