import type { Plugin } from 'esbuild';

const NAMESPACE = 'lazy-builtin';

/**
 * Leaves modules of Node's unevaluated that nobody uses: to import one evaluates whatever it exports. For commander
 * that is `child_process`, `fs`, `util` and the streams of `process`; for all others the WebSocket client of `http`,
 * some 15 ms.
 */
export const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:(?:child_process|fs|process|util)$/ }, ({ path, importer }) =>
      importer.includes('/node_modules/commander/') ? { path, namespace: NAMESPACE } : undefined,
    );
    // What packages import of it is loaded with them, by the commands that need them.
    onResolve({ filter: /^node:http$/ }, ({ path, importer }) =>
      importer.includes('/node_modules/') ? undefined : { path, namespace: NAMESPACE },
    );
    onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path }) => ({ contents: code(path) }));
  },
};

// An import of a name that is not here ends the build.
function code(path: string): string {
  const builtin = `process.getBuiltinModule('${path}')`;
  if (path === 'node:process') return 'export default process;';
  if (path === 'node:util')
    return `export const stripVTControlCharacters = (text) => ${builtin}.stripVTControlCharacters(text);`;
  if (path === 'node:http') return `export const { Agent, createServer, request } = ${builtin};`;
  return `export default new Proxy({}, { get: (_, name) => ${builtin}[name] });`;
}
