// Names the skipped tests of the suites in a folder and sums their results in the last line. Ends with 1 when a test failed or none ran.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder] = process.argv.slice(2);
const sum = { passed: 0, failed: 0, skipped: 0 };
for (const name of readdirSync(folder)) {
  const suite = JSON.parse(readFileSync(join(folder, name), 'utf8'));
  sum.passed += suite.numPassedTests;
  // A file that does not load has no tests, and must not pass for that.
  const unloaded = suite.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  );
  sum.failed += suite.numFailedTests + unloaded.length;
  sum.skipped += suite.numPendingTests + suite.numTodoTests;
  for (const file of suite.testResults)
    for (const { status, fullName, meta } of file.assertionResults)
      if (status === 'skipped' || status === 'pending')
        console.log(`skipped: ${fullName}${meta?.reason ? ` (${meta.reason})` : ''}`);
}
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0;
