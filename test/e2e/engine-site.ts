import { join } from 'node:path';
import { expect } from 'vitest';
import type { Engine } from '../lab/engine.ts';
import { type Ran, stowage } from './cli.ts';

/** The built program at a site on an isolated podman. */
export interface EngineSite {
  run(...args: readonly string[]): Promise<Ran>;
  /** Runs a command that must succeed. */
  passes(...args: readonly string[]): Promise<Ran>;
}

/** The site in the folder `site` of a working folder. @param engine given when a command runs: the test starts it later */
export function engineSite(work: string, engine: () => Engine): EngineSite {
  const run = (...args: readonly string[]): Promise<Ran> =>
    stowage({ cwd: work, env: { ...engine().env, STOWAGE_SITE: join(work, 'site') } }, ...args);
  return {
    run,
    async passes(...args) {
      const ran = await run(...args);
      expect(ran.status, ran.stderr).toBe(0);
      return ran;
    },
  };
}
