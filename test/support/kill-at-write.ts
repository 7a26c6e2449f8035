// Loaded before the program: ends it with SIGKILL right before the n-th time that it writes, syncs or renames one of
// `format.json` and `generations/` of a site, as STOWAGE_TEST_KILL says; `list FILE` lets it live and writes how many there are.
import { readlinkSync, writeFileSync } from 'node:fs';
import fs, { open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const [moment = '', file = ''] = (process.env['STOWAGE_TEST_KILL'] ?? '').split(' ');
let steps = 0;
if (moment === 'list') process.on('exit', () => writeFileSync(file, String(steps)));

function step(path: string): void {
  if (!/\/(?:generations\/|generations$|\.?format\.json)/.test(path)) return;
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
const { rename } = fs;
fs.rename = async (from, to) => {
  step(String(to));
  await rename(from, to);
  step(String(to));
};
syncBuiltinESMExports();
