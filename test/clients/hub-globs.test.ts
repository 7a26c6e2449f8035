import { beforeAll, describe, expect, it } from 'vitest';
import { hubMatcher } from '../../src/examine/glob.ts';
import { hubGlobs, hubPaths } from '../support/hub-globs.ts';
import { scratchFolder } from '../support/scratch.ts';
import { randomOfTest } from '../support/seed.ts';
import { askPython, hubEnvironment, type PythonClient, pythonClient } from './python.ts';

const scratch = scratchFolder();

type Rows = readonly (readonly [glob: string, selected: readonly string[]])[];

interface Selected {
  readonly version: string;
  readonly recorded: Rows;
  readonly paths: readonly string[];
  readonly random: Rows;
}

describe.each(['1.33.0', '2.4.0'])('when huggingface_hub %s filters a repository', (version) => {
  let client: PythonClient;
  const ask = (seed: number): Promise<Selected> => {
    const globs = hubGlobs.map(([glob]) => glob);
    const job = { seed, random: 400, paths: hubPaths, globs };
    return askPython(client, 'hub_globs.py', job, { env: hubEnvironment(scratch.fresh('home')) });
  };
  // Only 2.x reads a backslash as a slash.
  const comparable = (rows: Rows): Rows =>
    rows.filter(([glob]) => version.startsWith('2.') || !glob.includes('\\'));

  beforeAll(async () => {
    client = await pythonClient(`huggingface-hub-${version}`);
  });

  it('selects the files that the unit tests expect', async () => {
    const found = await ask(0);
    expect(found.version).toBe(version);
    expect(comparable(found.recorded)).toEqual(comparable(hubGlobs));
  });

  it('selects the same files as Stowage, for random globs', async () => {
    const { random, paths } = await ask(Math.floor(randomOfTest()() * 2 ** 32));
    const rows = comparable(random);
    expect(rows.some(([, selected]) => selected.length > 0)).toBe(true);
    for (const [glob, selected] of rows)
      expect([glob, paths.filter(hubMatcher(glob))]).toEqual([glob, selected]);
  });
});
