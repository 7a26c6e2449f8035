import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..', 'src');

/** One import of a file: static, of types, dynamic, or an export from elsewhere. */
export interface Import {
  /** A path below `src`, or the name of a package or builtin. */
  readonly target: string;
  /** What stands between the keyword and `from`: the names, or nothing. */
  readonly names: string;
  readonly kind: 'static' | 'dynamic';
}

export interface SourceFile {
  /** Below `src`, such as `core/error.ts`. */
  readonly path: string;
  readonly lines: number;
  /** Without comments. */
  readonly code: string;
  readonly imports: readonly Import[];
}

const STATIC = /^\s*(?:import|export)\s+(?:([^;'"]*?)\s+from\s+)?'([^']+)'/gm;
const DYNAMIC = /\bimport\(\s*'([^']+)'\s*\)/g;
const COMMENT =
  /('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/[^\n]*/g;

/** Every TypeScript file below `src`, by path. */
export function readSource(): ReadonlyMap<string, SourceFile> {
  const paths = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .sort();
  return new Map(paths.map((path) => [path, readFile(path)]));
}

function readFile(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8');
  return { path, lines: text.split('\n').length - 1, ...scan(path, text) };
}

/** The imports of a text that lies at this path. */
export function scan(path: string, text: string): Pick<SourceFile, 'code' | 'imports'> {
  const code = text.replace(COMMENT, (_, quoted: string | undefined) => quoted ?? '');
  const resolve = (target: string): string =>
    target.startsWith('.') ? relative(ROOT, join(ROOT, dirname(path), target)) : target;
  return {
    code,
    imports: [
      ...[...code.matchAll(STATIC)].map(
        ([, names = '', target = '']): Import => ({
          target: resolve(target),
          names,
          kind: 'static',
        }),
      ),
      ...[...code.matchAll(DYNAMIC)].map(
        ([, target = '']): Import => ({ target: resolve(target), names: '', kind: 'dynamic' }),
      ),
    ],
  };
}

/** For each file that can be reached from these, the chain of files that leads to it. */
export function reach(
  source: ReadonlyMap<string, SourceFile>,
  from: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const chains = new Map<string, readonly string[]>(from.map((path) => [path, [path]]));
  // A map grows under iteration: this walks breadth first, so that chains are the shortest.
  for (const [path, chain] of chains) {
    for (const { target } of source.get(path)?.imports ?? []) {
      if (source.has(target) && !chains.has(target)) chains.set(target, [...chain, target]);
    }
  }
  return chains;
}

/** The first cycle of imports found, its first file again at the end; undefined when there is none. */
export function cycle(source: ReadonlyMap<string, SourceFile>): readonly string[] | undefined {
  const done = new Set<string>();
  const visit = (path: string, chain: readonly string[]): readonly string[] | undefined => {
    if (chain.includes(path)) return [...chain.slice(chain.indexOf(path)), path];
    if (done.has(path)) return undefined;
    for (const { target } of source.get(path)?.imports ?? []) {
      const found = source.has(target) ? visit(target, [...chain, path]) : undefined;
      if (found !== undefined) return found;
    }
    done.add(path);
    return undefined;
  };
  for (const path of source.keys()) {
    const found = visit(path, []);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The longest chain of imports, of types too, from the file at its top. The graph has no cycles. */
export function longestChain(source: ReadonlyMap<string, SourceFile>): readonly string[] {
  const longest = (chains: readonly (readonly string[])[]): readonly string[] =>
    chains.reduce((best, each) => (each.length > best.length ? each : best), []);
  const known = new Map<string, readonly string[]>();
  const below = (path: string): readonly string[] => {
    const imports = source.get(path)?.imports ?? [];
    const chain = known.get(path) ?? [
      path,
      ...longest(imports.flatMap(({ target }) => (source.has(target) ? [below(target)] : []))),
    ];
    known.set(path, chain);
    return chain;
  };
  return longest([...source.keys()].map(below));
}
