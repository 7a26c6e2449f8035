import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../installer/run.ts';

/** What two folders do not have in common, a line for each file; none when they are equal byte for byte. */
export function differences(released: string, rebuilt: string): string[] {
  const [there, here] = [filesOf(released), filesOf(rebuilt)];
  return [...new Set([...there, ...here])].toSorted().flatMap((name) => {
    if (!here.includes(name)) return [`${name}: is not what this commit makes`];
    if (!there.includes(name)) return [`${name}: is missing from the release`];
    const [a, b] = [join(released, name), join(rebuilt, name)];
    const [first, second] = [readFileSync(a), readFileSync(b)];
    if (first.equals(second)) return [];
    if (name.endsWith('.tgz')) return inArchives(a, b).map((line) => `${name}: ${line}`);
    const at = first.findIndex((byte, index) => byte !== second[index]);
    const from = at < 0 ? first.length : at;
    return [
      `${name}: differs from byte ${from} on (${first.length} bytes, rebuilt ${second.length})`,
    ];
  });
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((each) => !each.isDirectory())
    .map((each) => join(each.parentPath, each.name).slice(folder.length + 1));
}

function inArchives(released: string, rebuilt: string): string[] {
  const work = mkdtempSync(join(tmpdir(), 'stowage-compare-'));
  try {
    const folders = [released, rebuilt].map((archive, index) => {
      const folder = join(work, `${index}`);
      mkdirSync(folder);
      run('tar', ['--extract', '--gzip', '--file', archive], folder);
      return folder;
    });
    const found = differences(folders[0] ?? '', folders[1] ?? '');
    return found.length > 0 ? found : ['the same files, archived otherwise'];
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
