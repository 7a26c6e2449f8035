// Builds dist/: the program and the library as ES modules with everything they need inside, and their types.
import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildCode } from './build/code.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${root}/dist`, { recursive: true, force: true });

await buildCode(root);
chmodSync(`${root}/dist/main.js`, 0o755);

execFileSync(`${root}/node_modules/.bin/tsc`, ['--project', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
