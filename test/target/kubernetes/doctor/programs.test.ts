import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  BLOCKED,
  CONNECTED,
  containersFor,
  EMPTY,
  isAbsent,
  LISTED,
  programs,
} from '../../../../src/target/kubernetes/doctor/programs.ts';

// The programs of this machine, as an image has them.
const names = programs.map(({ name }) => name);

function start(
  task: 'list' | 'listen' | 'connect',
  program: string,
  args: readonly string[],
  folder = LISTED,
): ChildProcess {
  const found = containersFor(task, '', () => args).find(({ name }) => name === program);
  const [file = '', ...rest] = (found?.command ?? []).map((each) =>
    each.replaceAll(LISTED, folder),
  );
  // A container has none of this machine's variables, such as those that shift the clock of tests: Python cannot sleep then.
  const env = { PATH: process.env['PATH'] };
  const child = spawn(file, rest, { env, stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function statusOf(child: ChildProcess): Promise<unknown> {
  return (await once(child, 'exit'))[0];
}

describe.each(names)('when an image has %s', (program) => {
  it('reads a volume', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'volume-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    expect(await statusOf(start('list', program, [], folder))).toBe(EMPTY);
    writeFileSync(join(folder, 'weights'), '');
    expect(await statusOf(start('list', program, [], folder))).toBe(0);
    const missing = await statusOf(start('list', program, [], join(folder, 'missing')));
    expect([0, EMPTY]).not.toContain(missing);
  });

  it('connects to its own server, and notices when nothing answers any more', async () => {
    const port = String(await freePort());
    const server = start('listen', program, [port]);
    const client = start('connect', program, ['127.0.0.1', port, '30']);
    const [text] = (await once(client.stdout ?? client, 'data')) as [Buffer];
    expect(text.toString().trim()).toBe(CONNECTED);
    server.kill('SIGKILL');
    expect(await statusOf(client)).toBe(BLOCKED);
  });

  it('ends without a word where it never connected', async () => {
    const client = start('connect', program, ['127.0.0.1', String(await freePort()), '1']);
    let said = '';
    client.stdout?.on('data', (text: Buffer) => {
      said += text.toString();
    });
    expect(await statusOf(client)).toBe(0);
    expect(said).toBe('');
  });
});

describe('when an image lacks a program', () => {
  const ended = (reason: string, message: string) => ({
    ...{ name: 'perl', running: false },
    ended: { exitCode: 128, reason, message },
  });

  it.each([
    ['as runc says it', 'StartError', 'exec: "perl": executable file not found in $PATH', true],
    ['as crun says it', 'StartError', 'executable file `perl` not found: No such file', true],
    ['but it failed in another way', 'Error', 'perl: not found', false],
    ['but a mount failed', 'StartError', 'error mounting "/probe": permission denied', false],
  ])('knows it %s', (_, reason, message, absent) => {
    expect(isAbsent(ended(reason, message))).toBe(absent);
  });
});
