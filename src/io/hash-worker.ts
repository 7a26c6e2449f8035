import { parentPort } from 'node:worker_threads';
import { READ_BUFFER_BYTES } from '../core/limits.ts';
import { runCoding } from './coding-pass.ts';
import type { CodingTask } from './coding-task.ts';
import { createFollower } from './hash-follow.ts';
import { passBuffers, runPass } from './hash-pass.ts';
import type { FollowTask, HashTask, PassingTask, WorkerMessage } from './hash-task.ts';
import { PassError } from './positioned.ts';

const PROGRESS_BYTES = 16 * 1024 * 1024;

const port = parentPort;
if (port === null) throw new Error('the hash worker runs only as a worker thread');

const say = (message: WorkerMessage): void => port.postMessage(message);
const buffers = passBuffers();
const follow = createFollower(Buffer.allocUnsafeSlow(READ_BUFFER_BYTES));

port.on('message', async (task: HashTask | CodingTask | FollowTask | PassingTask) => {
  if ('follow' in task) {
    port.postMessage(follow(task));
    return;
  }
  let unsaid = 0;
  const progress = (bytes: number): void => {
    unsaid += bytes;
    if (unsaid < PROGRESS_BYTES) return;
    say({ kind: 'progress', bytes: unsaid });
    unsaid = 0;
  };
  try {
    const result =
      'inputs' in task ? runCoding(task, progress) : await runPass(task, buffers, progress);
    say({ kind: 'progress', bytes: unsaid });
    say({ kind: 'result', result });
  } catch (error) {
    const failure =
      error instanceof PassError ? error : new PassError('EUNKNOWN', '', String(error));
    say({ kind: 'failure', message: failure.message, code: failure.code, path: failure.path });
  }
});
