import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The licences of the packages whose code is inside, as they ask for.
 * @param inputs paths of files below `root`
 * @throws Error for a package that says nothing of its licence
 */
export function notices(root: string, inputs: readonly string[]): string {
  const parts = packagesOf(inputs).map((folder) => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(root, folder, 'package.json'), 'utf8'),
    ) as { name: string; version: string; license?: string };
    const [file] = globSync('{LICEN[CS]E,licen[cs]e}*', { cwd: join(root, folder) });
    const text = file === undefined ? '' : readFileSync(join(root, folder, file), 'utf8').trim();
    if (license === undefined && text === '') throw new Error(`${folder} has no licence`);
    return `${name} ${version}, ${license ?? 'as follows'}\n\n${text}\n`;
  });
  const head = 'Stowage has code of these packages inside. Their licences:\n';
  return [head, ...parts].join(`\n${'-'.repeat(78)}\n\n`);
}

/** The folders of packages that files are from, each once. */
export function packagesOf(inputs: readonly string[]): string[] {
  const folders = inputs.flatMap((path) => {
    const [folder] = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? [];
    return folder === undefined ? [] : [folder];
  });
  return [...new Set(folders)].toSorted();
}
