// Says in what two folders of a release differ.
// usage: scripts/verify-release, which makes the second of them
import { differences } from './releasing/compare.ts';

const [released = '', rebuilt = ''] = process.argv.slice(2);
const found = differences(released, rebuilt);
for (const line of found) console.log(line);
console.log(
  found.length === 0
    ? 'the same, byte for byte'
    : `${found.length} of its files are not what its commit makes`,
);
process.exitCode = found.length === 0 ? 0 : 1;
