import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeSegment, parseHubRoute } from '../../src/depot/hub-route.ts';

const rest = (path: string): readonly string[] | string | undefined => {
  const route = parseHubRoute(path);
  return route !== undefined && 'rest' in route ? route.rest : route?.kind;
};

describe('when a path is parsed', () => {
  it.each([
    ['/api/models', 'models'],
    ['/api/models/', 'models'],
    ['/api/models/a/b', 'info'],
    ['/api/models/a%2Fb', 'info'],
    ['/api/models/gpt2', 'info'],
    ['/api/models/a/b/revision/main', 'revision'],
    ['/api/models/a/b/tree/main', 'tree'],
    ['/api/models/a/b/paths-info/main', 'paths-info'],
    ['/api/models/a/b/refs', 'refs'],
    ['/api/models/a/b/auth-check', 'auth-check'],
    ['/api/models/a/b/xet-read-token/main', 'unknown'],
    ['/api/whoami-v2', 'whoami'],
    ['/api/agent-harnesses', 'unknown'],
    ['/api/datasets/a/b', 'foreign'],
    ['/api/spaces/a/b/tree/main', 'foreign'],
    ['/datasets/a/b/resolve/main/x', 'foreign'],
    ['/gpt2/resolve/main/x', 'foreign'],
    ['/a/b/resolve/main/x', 'resolve'],
    ['/a/b/resolve/main/%zz', 'malformed'],
    ['/a/b/resolve/main/%ff', 'malformed'],
    ['/a/b/resolve/main/%00', 'malformed'],
    ['/a/b/raw/main/x', 'raw'],
    ['/a/b/blob/main/x', undefined],
    ['/', undefined],
    ['', undefined],
    ['/v2/', undefined],
    ['/apix', undefined],
  ])('sees in %s %s', (path, kind) => {
    expect(parseHubRoute(path)?.kind).toBe(kind);
  });

  it.each([
    ['/a/b/resolve/refs%2Fpr%2F1/x/y.json', ['refs', 'pr', '1', 'x', 'y.json']],
    ['/a/b/resolve/refs/pr/1/x/y.json', ['refs', 'pr', '1', 'x', 'y.json']],
    ['/api/models/a/b/tree/main/x%2Fy', ['main', 'x', 'y']],
    ['/a/b/resolve/main/sub%20dir/%C3%BC.txt', ['main', 'sub dir', 'ü.txt']],
    ['/a/b/resolve/main/\xc3\xbc.txt', ['main', 'ü.txt']],
    ['/a/b/resolve/main/..%2f..%2Fetc/passwd', ['main', '..', '..', 'etc', 'passwd']],
    ['/a/b/resolve/main/%252e', ['main', '%2e']],
    ['/a/b/resolve/main//x', ['main', '', 'x']],
  ])('decodes %s once', (path, segments) => {
    expect(rest(path)).toEqual(segments);
  });

  it('decodes any encoded name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (name) => {
        if (!name.isWellFormed() || name.includes('\0')) return;
        expect(decodeSegment(encodeURIComponent(name))).toBe(name);
        const route = parseHubRoute(`/a/b/resolve/${encodeURIComponent(name)}/f`);
        const segments = route !== undefined && 'rest' in route ? route.rest : [];
        expect(segments.slice(0, -1).join('/')).toBe(name);
      }),
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (a, b) => {
        for (const path of [a, `/api/models/${a}/${b}`, `/${a}/${b}/resolve/${b}/${a}`])
          parseHubRoute(path);
      }),
    );
  });
});
