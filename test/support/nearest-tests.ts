import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { scan } from './import-graph.ts';

const PROJECT = join(import.meta.dirname, '..', '..');
/** What `vitest run --changed` may take on two workers, so that all of it ends within 20 s. */
const BUDGET_MS = 24_000;
/** What each file costs beside its tests, and what one costs that never ran here. */
const START_MS = 700;
const UNKNOWN_MS = 2_000;

export interface Nearest {
  /** Paths in the project, nearest first: those that fit into the budget, and the nearest in any case. */
  readonly tests: readonly string[];
  /** How many there are within reach of the changes. */
  readonly reached: number;
}

/**
 * The unit tests that `--changed` or `--changed REF` on vitest's command line means; undefined without it. Says on
 * standard error how many of them there are.
 */
export function changedTests(unit: readonly string[]): string[] | undefined {
  const args = process.argv;
  const at = args.findIndex((arg) => /^--changed(?:=|$)/.test(arg));
  if (at === -1) return undefined;
  const [, inline] = args[at]?.split('=') ?? [];
  const next = args[at + 1];
  const since = inline ?? (next === undefined || /^-|\//.test(next) ? 'HEAD' : next);
  const git = (...words: readonly string[]): string[] =>
    execFileSync('git', words, { cwd: PROJECT, encoding: 'utf8' }).split('\n').filter(Boolean);
  const changed = [
    ...git('diff', '--name-only', '--relative', since),
    ...git('ls-files', '--others', '--exclude-standard'),
  ];
  const { tests, reached } = nearestTests(changed, unit, durations());
  console.error(
    `--changed: runs ${tests.length} of the ${reached} test files within reach of the change, the nearest, in 20 s; "npm test" runs all`,
  );
  return [...tests];
}

/**
 * Tests by the number of imports between them and what changed. The program loads its commands lazily, and every
 * test that runs it would depend on all of them: here a test depends on those that it names.
 * @param durations milliseconds that each test file took last time
 */
export function nearestTests(
  changed: readonly string[],
  unit: readonly string[],
  durations: ReadonlyMap<string, number>,
): Nearest {
  const wanted = new Set(changed);
  const near = unit
    .map((path) => ({ path, distance: distance(path, wanted) }))
    .filter((each) => Number.isFinite(each.distance))
    .toSorted((a, b) => a.distance - b.distance);
  let spent = 0;
  const tests = near.filter(({ path }, index) => {
    spent += START_MS + (durations.get(path) ?? UNKNOWN_MS);
    return index === 0 || spent <= BUDGET_MS;
  });
  return { tests: tests.map(({ path }) => path), reached: near.length };
}

function distance(test: string, wanted: ReadonlySet<string>): number {
  const text = contentOf(test);
  const steps = new Map([[test, 0]]);
  for (const [path, count] of steps) {
    if (wanted.has(path)) return count;
    for (const { target, lazy } of importsOf(path)) {
      if (steps.has(target) || (lazy && !namesCommand(text, path, target))) continue;
      steps.set(target, count + 1);
    }
  }
  return Number.POSITIVE_INFINITY;
}

function namesCommand(text: string, importer: string, target: string): boolean {
  if (!/^src\/cli\/commands-[^/]+$/.test(importer)) return true;
  const [verb] = /[a-z]+(?=[^/]*$)/.exec(target) ?? [];
  return new RegExp(`['"\`](?:stowage )?${verb}\\b`).test(text);
}

interface Step {
  readonly target: string;
  readonly lazy: boolean;
}
const steps = new Map<string, readonly Step[]>();
const contents = new Map<string, string>();

function contentOf(path: string): string {
  const text = contents.get(path) ?? readFileSync(join(PROJECT, path), 'utf8');
  contents.set(path, text);
  return text;
}

function importsOf(path: string): readonly Step[] {
  const known = steps.get(path);
  if (known !== undefined) return known;
  const found = /\.m?ts$/.test(path) ? readImports(path) : [];
  steps.set(path, found);
  return found;
}

/** Imports of the project's own files, but for those of types alone. */
function readImports(path: string): Step[] {
  return scan(join('..', path), contentOf(path))
    .imports.filter(({ target, names }) => /\.\w+$/.test(target) && !/^type\b/.test(names))
    .map(({ target, kind }) => ({ target: join('src', target), lazy: kind === 'dynamic' }))
    .filter(({ target }) => FILES.has(target));
}

const FILES = new Set(
  globSync(['src/**/*.ts', 'test/**/*.ts', 'scripts/**/*.ts'], { cwd: PROJECT }),
);

/** As vitest notes them after each run. */
function durations(): Map<string, number> {
  const files = globSync('node_modules/.vite/vitest/*/results.json', { cwd: PROJECT }).flatMap(
    (path) => {
      const { projects } = JSON.parse(readFileSync(join(PROJECT, path), 'utf8')) as {
        projects?: { unit?: { files?: Record<string, { duration: number }> } };
      };
      return Object.entries(projects?.unit?.files ?? {});
    },
  );
  return new Map(files.map(([path, { duration }]) => [path, duration]));
}
