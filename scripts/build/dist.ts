import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { buildCode } from './code.ts';
import { manPage } from './man-page.ts';
import { notices } from './notices.ts';
import { buildTypes } from './types.ts';

/**
 * Writes `dist/` anew: the program and the library as ES modules with everything they need inside, their types, the
 * licences of what is inside, and the page of the manual.
 * @returns every file that is in the code, below the project
 */
export async function buildDist(root: string): Promise<string[]> {
  rmSync(`${root}/dist`, { recursive: true, force: true });
  const inputs = await buildCode(root);
  chmodSync(`${root}/dist/main.js`, 0o755);
  writeFileSync(`${root}/dist/THIRD-PARTY.txt`, notices(root, inputs));
  mkdirSync(`${root}/dist/man`);
  writeFileSync(`${root}/dist/man/stowage.1`, manPage());
  buildTypes(root);
  return inputs;
}
