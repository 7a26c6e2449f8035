import { homedir, userInfo } from 'node:os';
import type { Environment } from '../core/context.ts';

/**
 * The home folder of the user of this process; `/` for a user whom no database knows, such as the `DynamicUser` of a unit
 * on a host without nss-systemd(8).
 */
export function homeFolder(env: Environment): string {
  if (env['HOME'] !== undefined) return env['HOME'];
  try {
    return homedir();
  } catch {
    return '/';
  }
}

/** Whether the user of this process is not root. */
export function isRootless(): boolean {
  try {
    return userInfo().uid !== 0;
  } catch {
    // A user whom no database knows.
    return true;
  }
}
