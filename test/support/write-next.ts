// `stowage fleet next vault --write media` in a process that a test kills: `node write-next.ts FOLDER BUNDLE`. The folder has the fleet `works`
// and the key; the media are written to it.
import { runProgram } from './fake-terminal.ts';

const [root = '', bundle = ''] = process.argv.slice(2);
const key = ['--key', 'release.key.pem', '--certificate', 'release.pem'];
const { status, stderr } = await runProgram(
  ['fleet', 'next', 'vault', '--write', 'media', '--from', bundle, ...key],
  root,
  { env: { STOWAGE_FLEET: `${root}/works` }, now: () => new Date('2026-11-21T14:00:00Z') },
);
process.stderr.write(stderr);
process.exitCode = status;
