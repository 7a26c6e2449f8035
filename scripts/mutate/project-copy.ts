import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const COPIED = [
  'src',
  'test',
  'manifests',
  'signing',
  'scripts',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
];

/** A copy of the project under the temporary folder, with the same node_modules. Remove it with {@link removeCopies}. */
export function copyProject(root: string): string {
  const copy = mkdtempSync(join(tmpdir(), 'stowage-mutate-'));
  copies.add(copy);
  for (const each of COPIED) cpSync(join(root, each), join(copy, each), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

const copies = new Set<string>();

/** Removes every copy that was made. */
export function removeCopies(): void {
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
  copies.clear();
}
