// Builds dist/: the program and the library as ES modules with everything they need inside, their types, and the
// page of the manual.
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildCode } from './build/code.ts';
import { manPage } from './build/man-page.ts';
import { notices } from './build/notices.ts';
import { buildTypes } from './build/types.ts';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
rmSync(`${root}/dist`, { recursive: true, force: true });

const inputs = await buildCode(root);
chmodSync(`${root}/dist/main.js`, 0o755);
writeFileSync(`${root}/dist/THIRD-PARTY.txt`, notices(root, inputs));
mkdirSync(`${root}/dist/man`);
writeFileSync(`${root}/dist/man/stowage.1`, manPage());
buildTypes(root);
