import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, SerializedError, TestCase, TestModule, TestSuite } from 'vitest/node';

/** What the tests of one run came to, as `scripts/count-tests.mjs` reads it. */
interface Results {
  readonly passed: number;
  /** Full names, with the reason where a test gave one. */
  readonly skipped: readonly string[];
  /** Where, what and why: tests, and whatever else makes vitest end with an error. */
  readonly failed: readonly string[];
}

/**
 * A reporter of vitest that writes {@link Results} to the file that the variable `RESULTS_FILE` names.
 *
 * The JSON reporter of vitest counts tests alone: where `beforeAll` fails its tests are skipped, where `afterAll` fails or
 * an error is thrown outside of tests all have passed, and the run fails without a word of why.
 */
export default class ResultsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], outside: readonly SerializedError[]): void {
    const file = process.env['RESULTS_FILE'];
    if (file === undefined) throw new Error('RESULTS_FILE names no file');
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const results: Results = {
      passed: tests.filter((test) => test.result().state === 'passed').length,
      skipped: tests.filter((test) => test.result().state === 'skipped').map(skipped),
      failed: [
        ...modules.flatMap((module) => [
          ...suiteErrors(module, 'outside of its tests'),
          ...[...module.children.allSuites()].flatMap((suite) =>
            suiteErrors(suite, suite.fullName),
          ),
        ]),
        ...tests
          .filter((test) => test.result().state === 'failed')
          .map((test) => failed(test.module, test.fullName, test.result().errors?.[0])),
        ...outside.map((error) => `an error outside of all tests\n${beginning(error)}`),
      ],
    };
    writeFileSync(file, JSON.stringify(results));
  }
}

function skipped(test: TestCase): string {
  const reason = (test.meta() as { reason?: string }).reason;
  return reason === undefined ? test.fullName : `${test.fullName} (${reason})`;
}

/** What failed around the tests of a suite: its hooks, or the loading of its file. */
function suiteErrors(suite: TestModule | TestSuite, what: string): string[] {
  const module = suite.type === 'module' ? suite : suite.module;
  return suite.errors().map((error) => failed(module, what, error));
}

function failed(module: TestModule, what: string, error: SerializedError | undefined): string {
  const where = `${module.project.name} ${relative(process.cwd(), module.moduleId)}`;
  return `${where}: ${what}\n${beginning(error)}`;
}

/** The beginning of an error's message: what was expected and found, without the stack. */
function beginning(error: SerializedError | undefined): string {
  const lines = (error?.message ?? '').split('\n').filter((line) => !/^\s+at /.test(line));
  return lines
    .slice(0, 12)
    .map((line) => `    ${line}`)
    .join('\n');
}
