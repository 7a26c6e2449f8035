import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { nodeDefect } from '../../src/cli/process.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();

describe('when the program starts on a version of Node', () => {
  it.each(['24.15.0', '24.21.0', '25.0.0', '26.10.0'])('runs with %s', (version) => {
    expect(nodeDefect(version)).toBeUndefined();
  });

  it.each(['18.19.0', '20.20.2', '22.23.3', '24.14.9', ''])('rejects %s as too old', (version) => {
    expect(nodeDefect(version)).toContain(`found:    ${version}`);
  });

  it('requires the same version as package.json', () => {
    const { engines } = JSON.parse(
      readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
    );
    expect(nodeDefect('0.0.0')).toContain(`Node ${engines.node.replace('>=', '')} or later`);
  });
});

describe('when a command is interrupted while a thread reads what never comes', () => {
  async function blocked(): Promise<ChildProcess & { readonly said: () => string }> {
    const folder = scratch.fresh();
    mkdirSync(folder);
    const fifo = join(folder, 'silent');
    execFileSync('mkfifo', [fifo]);
    const source = new URL('../../src/cli/process.ts', import.meta.url).href;
    const script = `
      import { Worker } from 'node:worker_threads';
      import { runProcess } from ${JSON.stringify(source)};
      const read = "const fs = require('node:fs'); fs.readSync(fs.openSync(" + ${JSON.stringify(JSON.stringify(fifo))} + ", 'r+'), Buffer.alloc(1));";
      const add = (program, run) => program.command('wait').action(() => run(() => {
        new Worker(read, { eval: true }).on('online', () => process.stdout.write('waiting'));
        return new Promise(() => {});
      }));
      await runProcess({ program: '', groups: [{ title: 'Test:', add: [add] }] });
    `;
    const file = join(folder, 'wait.ts');
    writeFileSync(file, script);
    const child = spawn(process.execPath, [file, 'wait'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await once(child.stdout, 'data');
    return Object.assign(child, { said: () => text });
  }

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'says so at the second signal, and ends at the third, %s',
    async (signal) => {
      const child = await blocked();
      onTestFinished(() => void child.kill('SIGKILL'));
      // Two equal signals may arrive as one.
      child.kill('SIGTERM');
      child.kill('SIGINT');
      await expect
        .poll(() => child.said(), { timeout: 20_000 })
        .toContain('a third interrupt kills it');
      expect(child.exitCode).toBe(null);
      child.kill(signal);
      expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);
    },
  );
});
