/** What a path of the Hub asks for. */
export type Route =
  | { readonly kind: 'info'; readonly repo: string }
  | { readonly kind: 'refs'; readonly repo: string }
  | {
      readonly kind: 'revision' | 'tree' | 'paths-info' | 'resolve';
      readonly repo: string;
      readonly revision: string;
      /** Of a file, or the folder of a tree (`''` for the root). */
      readonly path: string;
    };

const API = /^\/api\/models\/(.+?)(?:\/(revision|tree|paths-info|refs)(?:\/([^/]+)(?:\/(.*))?)?)?$/;
const RESOLVE = /^\/(.+?)\/resolve\/([^/]+)\/(.+)$/;

/** Reads an undecoded path: a revision's slash arrives as %2F, and decoding comes last. */
export function routeOf(pathname: string): Route | undefined {
  const resolve = RESOLVE.exec(pathname);
  if (resolve !== null && !pathname.startsWith('/api/')) {
    const [, repo = '', revision = '', path = ''] = resolve.map(decodeURIComponent);
    return { kind: 'resolve', repo, revision, path };
  }
  const [, repo, kind, revision, path = ''] =
    API.exec(pathname)?.map((part: string | undefined) => part && decodeURIComponent(part)) ?? [];
  if (repo === undefined) return undefined;
  if (kind === undefined) return { kind: 'info', repo };
  if (kind === 'refs') return { kind, repo };
  if (kind !== 'revision' && kind !== 'tree' && kind !== 'paths-info') return undefined;
  return { kind, repo, revision: revision ?? 'main', path };
}
