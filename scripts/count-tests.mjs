// Names the skipped and the failed tests of the suites in a folder and sums their results in the last line.
// Ends with 1 when something failed or no test passed.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder] = process.argv.slice(2);
const suites = readdirSync(folder).map((name) =>
  JSON.parse(readFileSync(join(folder, name), 'utf8')),
);
const passed = suites.reduce((sum, suite) => sum + suite.passed, 0);
const skipped = suites.flatMap((suite) => suite.skipped);
const failed = suites.flatMap((suite) => suite.failed);
for (const each of skipped) console.log(`skipped: ${each}`);
for (const each of failed) console.log(`failed: ${each}`);
console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);
process.exitCode = failed.length > 0 || passed === 0 ? 1 : 0;
