// Names the skipped and the failed tests of the suites in a folder and sums their results in the last line.
// Ends with 1 when a test failed or none ran.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';

const [folder] = process.argv.slice(2);
const sum = { passed: 0, failed: 0, skipped: 0 };
const failed = [];
for (const name of readdirSync(folder)) {
  const suite = JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const where = (file) => `${basename(name, '.json')} ${relative(process.cwd(), file.name)}`;
  sum.passed += suite.numPassedTests;
  // A file that does not load has no tests, and must not pass for that.
  const unloaded = suite.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  );
  failed.push(...unloaded.map((file) => `${where(file)}: does not load: ${file.message}`));
  sum.failed += suite.numFailedTests + unloaded.length;
  sum.skipped += suite.numPendingTests + suite.numTodoTests;
  for (const file of suite.testResults)
    for (const { status, fullName, meta, failureMessages } of file.assertionResults) {
      if (status === 'skipped' || status === 'pending')
        console.log(`skipped: ${fullName}${meta?.reason ? ` (${meta.reason})` : ''}`);
      if (status === 'failed')
        failed.push(`${where(file)}: ${fullName}\n${indented(failureMessages?.[0] ?? '')}`);
    }
}
for (const each of failed) console.log(`failed: ${each}`);
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0;

/** The beginning of a failure's message: what was expected and found, without the stack. */
function indented(message) {
  const lines = message.split('\n').filter((line) => !/^\s+at /.test(line));
  return lines
    .slice(0, 12)
    .map((line) => `    ${line}`)
    .join('\n');
}
