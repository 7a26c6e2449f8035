import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createVitest, type TestModule, type Vitest } from 'vitest/node';

/** What a worker is asked: to run one file of tests, with a file of the project changed or as it is. */
export interface Task {
  readonly test: string;
  readonly change?: {
    readonly file: string;
    readonly start: number;
    readonly end: number;
    readonly replacement: string;
  };
}

/** What it answers: the first test that failed, and how many passed. */
export interface Answer {
  readonly failed?: string;
  readonly passed: number;
}

/** Flipping every byte takes most of the time, and misses next to nothing that a named test does not. */
const WITHOUT_FLIPS = /^(?!.*(?:each byte|every byte|flipped byte))/;

/** Runs one task after the other in one copy of the project, whose path is given, with one vitest kept warm. */
export async function runWorker(copy: string): Promise<void> {
  process.chdir(copy);
  const vitest = await createVitest('test', {
    root: copy,
    project: ['unit'],
    watch: false,
    fileParallelism: false,
    bail: 1,
    reporters: [{}],
    testNamePattern: WITHOUT_FLIPS,
  });
  process.on('message', (task: Task) => {
    perform(vitest, copy, task).then(
      (answer) => process.send?.(answer),
      (error: unknown) => process.send?.({ passed: 0, failed: String(error) }),
    );
  });
  process.on('disconnect', () => process.exit());
  process.send?.('ready');
}

async function perform(vitest: Vitest, copy: string, { test, change }: Task): Promise<Answer> {
  if (change === undefined) return runTest(vitest, join(copy, test));
  const path = join(copy, change.file);
  const text = readFileSync(path, 'utf8');
  const { start, end, replacement } = change;
  try {
    writeFileSync(path, text.slice(0, start) + replacement + text.slice(end));
    vitest.invalidateFile(path);
    return await runTest(vitest, join(copy, test));
  } finally {
    writeFileSync(path, text);
    vitest.invalidateFile(path);
  }
}

async function runTest(vitest: Vitest, file: string): Promise<Answer> {
  // What failed before would count against this run's `bail`.
  vitest.state.filesMap.clear();
  vitest.state.idMap.clear();
  const specifications = vitest.projects.map((each) => each.createSpecification(file));
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications);
  const passed = testModules.flatMap((each) => [...each.children.allTests('passed')]).length;
  const [failed] = testModules.map(failureOf).filter((each) => each !== undefined);
  if (failed !== undefined) return { failed, passed };
  return unhandledErrors.length > 0 ? { failed: String(unhandledErrors[0]), passed } : { passed };
}

function failureOf(module: TestModule): string | undefined {
  const [test] = module.children.allTests('failed');
  if (test !== undefined) return `${module.relativeModuleId}: ${test.fullName}`;
  const [error] = module.errors();
  return error === undefined && module.ok()
    ? undefined
    : `${module.relativeModuleId}: ${error?.message ?? 'a hook failed'}`;
}
