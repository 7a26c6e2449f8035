import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TestContext } from 'vitest';
import { skipBecause } from './skip-because.ts';

/** Runs a command as a user who owns nothing. */
export const asNobody: readonly string[] = [
  ...['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'],
];

/** Skips a test that runs a program of the project as that user, where only root can read it. */
export function needsReadableProject(test: TestContext, path = 'dist/main.js'): void {
  const [command = '', ...before] = asNobody;
  const program = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  if (spawnSync(command, [...before, 'test', '-r', program]).status !== 0)
    skipBecause(test, 'only root can read the folder that the project lies in');
}
