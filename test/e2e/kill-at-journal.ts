import { readlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';

// Loaded before the program: kills it with SIGKILL right before or after it writes the line of the apply journal that
// STOWAGE_TEST_KILL names, such as `3 before`. With `list FILE` it does not kill the program, but writes the state of
// each line to FILE.
const [line = '', moment = ''] = (process.env['STOWAGE_TEST_KILL'] ?? '').split(' ');
const states: string[] = [];
if (line === 'list') process.on('exit', () => writeFileSync(moment, JSON.stringify(states)));
const handle = await open('/dev/null');
const prototype = Object.getPrototypeOf(handle) as {
  writeFile(this: { fd: number }, data: unknown): Promise<void>;
  sync(this: { fd: number }): Promise<void>;
};
await handle.close();
const { writeFile, sync } = prototype;
let written = 0;

function isJournal(fd: number): boolean {
  return readlinkSync(`/proc/self/fd/${fd}`).endsWith('/apply/journal');
}

prototype.writeFile = async function (data): Promise<void> {
  if (isJournal(this.fd)) {
    written += 1;
    states.push((JSON.parse(String(data)) as { state: string }).state);
    if (written === Number(line) && moment === 'before') process.kill(process.pid, 'SIGKILL');
  }
  return writeFile.call(this, data);
};

prototype.sync = async function (): Promise<void> {
  await sync.call(this);
  if (isJournal(this.fd) && written === Number(line) && moment === 'after')
    process.kill(process.pid, 'SIGKILL');
};
