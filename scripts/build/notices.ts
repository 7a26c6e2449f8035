import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Software, and its license in full. */
export interface Notice {
  /** Name, version and license, on one line. */
  readonly title: string;
  readonly text: string;
}

/** Files of a package that a copy of it must be accompanied by. */
const FILES = '{{UN,}LICEN[CS]E,{un,}licen[cs]e,NOTICE,COPYING,COPYRIGHT}*';
const RULE = '-'.repeat(78);

/** Licenses as one text, Stowage's own first. */
export function noticesText(root: string, parts: readonly Notice[]): string {
  const { version } = packageOf(root);
  const own = { title: `Stowage ${version}, Apache-2.0`, text: read(join(root, 'LICENSE')) };
  const head = 'The licenses of Stowage and of the software that it contains\n';
  return [head, ...[own, ...parts].map(({ title, text }) => `${title}\n\n${text}\n`)].join(
    `\n${RULE}\n\n`,
  );
}

/**
 * The licenses and notices of the packages whose code is inside, as they require.
 * @param inputs paths of files below `root`
 * @throws Error for a package that says nothing of its license
 */
export function packageNotices(root: string, inputs: readonly string[]): Notice[] {
  return packagesOf(inputs).map((folder) => {
    const { name, version, license } = packageOf(join(root, folder));
    const texts = globSync(FILES, { cwd: join(root, folder) })
      .toSorted()
      .map((file) => read(join(root, folder, file)));
    if (license === undefined && texts.length === 0) throw new Error(`${folder} has no license`);
    const stated = `The package has no file with its license. Its package.json states: ${license}.`;
    return {
      title: `${name} ${version}, ${license ?? 'as follows'}`,
      text: texts.length === 0 ? stated : texts.join('\n\n'),
    };
  });
}

/** The folders of packages that files are from, each once. */
export function packagesOf(inputs: readonly string[]): string[] {
  const folders = inputs.flatMap((path) => {
    const [folder] = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? [];
    return folder === undefined ? [] : [folder];
  });
  return [...new Set(folders)].toSorted();
}

function packageOf(folder: string): { name: string; version: string; license?: string } {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as ReturnType<
    typeof packageOf
  >;
}

function read(path: string): string {
  return readFileSync(path, 'utf8').trim();
}
