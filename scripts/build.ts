// Builds dist/: the program and the library as ES modules with everything they need inside, and their types.
import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${root}/dist`, { recursive: true, force: true });

await build({
  absWorkingDir: root,
  entryPoints: {
    main: 'src/cli/main.ts',
    index: 'src/index.ts',
    'hash-worker': 'src/io/hash-worker.ts',
  },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'warning',
  // CommonJS dependencies ask for node's modules by require, which an ES module does not have of itself.
  banner: {
    js: "import { createRequire as stowageRequire } from 'node:module'; const require = stowageRequire(import.meta.url);",
  },
});
chmodSync(`${root}/dist/main.js`, 0o755);

execFileSync(`${root}/node_modules/.bin/tsc`, ['--project', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
