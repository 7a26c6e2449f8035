import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import type { Environment } from './command.ts';

const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin';

/** The absolute path of a program in PATH, or undefined. */
export async function programPath(name: string, env: Environment): Promise<string | undefined> {
  for (const folder of (env['PATH'] ?? DEFAULT_PATH).split(delimiter)) {
    if (!isAbsolute(folder)) continue;
    const path = join(folder, name);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}
