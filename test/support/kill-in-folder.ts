// Loaded before the program: ends it with SIGKILL right before the n-th time that it writes, syncs or renames something in a folder, as
// STOWAGE_TEST_KILL says: `NUMBER FOLDER`. `list FOLDER` lets it live and writes how many times there are to FOLDER.steps.
import { readlinkSync, writeFileSync } from 'node:fs';
import fs, { open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const [moment = '', folder = ''] = (process.env['STOWAGE_TEST_KILL'] ?? '').split(' ');
let steps = 0;
if (moment === 'list') process.on('exit', () => writeFileSync(`${folder}.steps`, String(steps)));

function step(path: string): void {
  // The index follows from the documents.
  if (!path.startsWith(folder) || path.includes('/index.sqlite')) return;
  steps += 1;
  if (steps === Number(moment)) process.kill(process.pid, 'SIGKILL');
}

const handle = await open('/dev/null');
const prototype = Object.getPrototypeOf(handle) as Record<
  'writeFile' | 'sync',
  (this: { fd: number }, ...given: unknown[]) => Promise<void>
>;
await handle.close();
for (const name of ['writeFile', 'sync'] as const) {
  const real = prototype[name];
  prototype[name] = async function (...given) {
    step(readlinkSync(`/proc/self/fd/${this.fd}`));
    return real.apply(this, given);
  };
}
const { rename, writeFile } = fs;
fs.rename = async (from, to) => {
  step(String(to));
  await rename(from, to);
  step(String(to));
};
fs.writeFile = async (...given: Parameters<typeof writeFile>) => {
  step(String(given[0]));
  return writeFile(...given);
};
syncBuiltinESMExports();
