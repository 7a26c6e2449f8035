import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { NOTICES } from '../../src/cli/commands/help-topics.ts';
import { manPage } from '../../src/cli/completion/man-page.ts';
import { outlineOf } from '../../src/cli/completion/outline.ts';
import { everyGroup } from '../../src/cli/every-group.ts';
import { createProgram } from '../../src/cli/program.ts';
import { buildCode } from './code.ts';
import { noticesText, packageNotices } from './notices.ts';
import { buildTypes } from './types.ts';

/**
 * Writes `dist/` anew: the program and the library as ES modules with everything they need inside, their types, the
 * licenses of what is inside, and the page of the manual.
 * @returns every file that is in the code, below the project
 */
export async function buildDist(root: string): Promise<string[]> {
  rmSync(`${root}/dist`, { recursive: true, force: true });
  const inputs = await buildCode(root);
  chmodSync(`${root}/dist/main.js`, 0o755);
  writeFileSync(`${root}/dist/${NOTICES}`, noticesText(root, packageNotices(root, inputs)));
  mkdirSync(`${root}/dist/man`);
  writeFileSync(
    `${root}/dist/man/stowage.1`,
    manPage(outlineOf(createProgram(process, async () => {}, everyGroup))),
  );
  buildTypes(root);
  return inputs;
}
