import { parentPort } from 'node:worker_threads';
import { type ReadingTask, runAhead } from './reading-task.ts';

const port = parentPort;
if (port === null) throw new Error('the reading worker runs only as a worker thread');

port.on('message', (tasks: readonly ReadingTask[]) => port.postMessage(tasks.map(runAhead)));
