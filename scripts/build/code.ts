import { basename, join, relative } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { lean } from '../installer/lean.ts';
import { lazyBuiltins } from './lazy-builtins.ts';

/**
 * Writes `dist/main.js`, which knows every command and holds none of them; `dist/lib/`, what it loads when one is
 * called; and `dist/index.js`, the library.
 *
 * The start is one file, because each further one costs a start half a millisecond. What it shares with `lib/` is
 * there twice, so nothing of it may be compared by identity.
 * @param outdir in place of `dist`
 * @returns every file that is in them, below the project
 */
export async function buildCode(root: string, outdir = 'dist'): Promise<string[]> {
  const commands = new Map<string, string>();
  const start = await build({
    ...options(root, outdir),
    plugins: [lean, lazyBuiltins, commandsApart(root, commands)],
    entryPoints: { main: 'src/cli/main.ts' },
  });
  const library = await build({
    ...options(root, outdir),
    plugins: [lean, lazyBuiltins],
    splitting: true,
    chunkNames: 'lib/[name]-[hash]',
    entryPoints: {
      index: 'src/index.ts',
      // Beside the code that starts it.
      'lib/hash-worker': 'src/io/hash-worker.ts',
      'lib/reading-worker': 'src/fleet/reading/reading-worker.ts',
      // The order of entries decides the names of chunks, and esbuild finds them in any.
      ...Object.fromEntries([...commands].toSorted(([a], [b]) => (a < b ? -1 : 1))),
    },
    // CommonJS dependencies ask for node's modules by require, which an ES module does not have of itself.
    banner: {
      js: "import { createRequire as stowageRequire } from 'node:module'; const require = stowageRequire(import.meta.url);",
    },
  });
  return [start, library].flatMap(({ metafile }) => Object.keys(metafile.inputs));
}

/** The name in `dist` of a file that is loaded when a command is called: commands of groups have the name of their folder too. */
export function chunkName(file: string): string {
  const [, within] = /^src\/cli\/commands\/(.+)\.ts$/.exec(file) ?? [];
  return `lib/${within?.replaceAll('/', '-') ?? basename(file, '.ts')}`;
}

/** Leaves what is imported dynamically out of the start; notes it by the name that it has in `dist`. */
function commandsApart(root: string, found: Map<string, string>): Plugin {
  return {
    name: 'commands-apart',
    setup({ onResolve }) {
      onResolve({ filter: /^\.\/.*\.ts$/ }, ({ path, kind, resolveDir }) => {
        if (kind !== 'dynamic-import') return undefined;
        const file = relative(root, join(resolveDir, path));
        const name = chunkName(file);
        const other = found.get(name);
        if (other !== undefined && other !== file)
          throw new Error(`${other} and ${file} would both be ${name}.js`);
        found.set(name, file);
        return { path: `./${name}.js`, external: true };
      });
    },
  };
}

function options(root: string, outdir: string): BuildOptions & { readonly metafile: true } {
  return {
    absWorkingDir: root,
    outdir,
    metafile: true,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'warning',
  };
}
