import { describe, expect, it } from 'vitest';
import { commandFailure, runCommand } from '../../../src/target/host/command.ts';
import { expectCode } from '../../support/error.ts';

const node = process.execPath;
const quick = { env: { A: 'a b', B: undefined }, timeoutMs: 10_000 };
const never = new AbortController().signal;
const script = (
  text: string,
  options: { timeoutMs?: number; signal?: AbortSignal; stdin?: string } = {},
) => runCommand(node, ['-e', text], { ...quick, signal: never, ...options });

describe('when a program runs', () => {
  it('returns its status and both outputs', async () => {
    const result = await script("console.log('out'); console.error('err'); process.exitCode = 3");
    expect(result).toEqual({ status: 3, stdout: 'out\n', stderr: 'err\n' });
  });

  it('passes only the given environment', async () => {
    const { stdout } = await script('console.log(JSON.stringify(process.env))');
    expect(JSON.parse(stdout)).toEqual({ A: 'a b' });
  });

  it('passes input to it, or none', async () => {
    const copy = 'process.stdin.pipe(process.stdout)';
    expect((await script(copy, { stdin: 'text' })).stdout).toBe('text');
    expect((await script(copy)).stdout).toBe('');
  });

  it('does not mind when it reads nothing of a lot', async () => {
    expect((await script('', { stdin: 'x'.repeat(4_000_000) })).status).toBe(0);
  });

  it('keeps the end of an output that is too long', async () => {
    const { stdout } = await script(
      "for (let i = 0; i < 30; i++) process.stdout.write('a'.repeat(1e6)); process.stdout.write('end')",
    );
    expect(stdout.length).toBeLessThanOrEqual(8 * 1024 * 1024);
    expect(stdout.endsWith('aend')).toBe(true);
  });

  it('does not wait for a daemon that keeps the output open', async () => {
    const daemon = `const child = require('child_process').spawn('sleep', ['600'], {stdio: 'inherit', detached: true});
      child.unref();
      console.log(child.pid)`;
    const env = { PATH: process.env['PATH'] };
    const ran = await runCommand(node, ['-e', daemon], { ...quick, env, signal: never });
    // It is still there, and only now does it end.
    process.kill(Number(ran.stdout), 'SIGKILL');
  });
});

describe('when a program fails', () => {
  it('fails with host-unfit when it is absent', async () => {
    const run = () => runCommand('stowage-nosuch', [], { ...quick, signal: never });
    expect((await expectCode(run, 'host-unfit')).found).toBe('ENOENT');
  });

  it('ends one that hangs', async () => {
    const hang = "process.on('SIGUSR1', () => {}); setInterval(() => {}, 1000)";
    const error = await expectCode(() => script(hang, { timeoutMs: 300 }), 'engine-failed');
    expect(error.message).toContain('timed out');
  });

  it('kills one that ignores SIGTERM', async () => {
    const deaf = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)";
    await expectCode(() => script(deaf, { timeoutMs: 1_000 }), 'engine-failed');
  });

  it('says that it was killed', async () => {
    const error = await expectCode(
      () => script("process.kill(process.pid, 'SIGKILL')"),
      'engine-failed',
    );
    expect(error.found).toContain('SIGKILL');
  });

  it('stops when it is interrupted, before and meanwhile', async () => {
    await expectCode(() => script('', { signal: AbortSignal.abort() }), 'interrupted');
    const hang = 'setInterval(() => {}, 1000)';
    await expectCode(() => script(hang, { signal: AbortSignal.timeout(300) }), 'interrupted');
  });

  it('reports the last lines of stderr and no argument that could hold a setting', () => {
    const stderr = Array.from({ length: 20 }, (_, index) => `line ${index}`).join('\n');
    const args = ['run', '--env', 'TOKEN=secret'];
    const error = commandFailure('podman', args, { status: 125, stdout: '', stderr });
    expect(error.message).toBe('podman run failed');
    expect(error.found).toMatch(/^exit status 125\nline 12\n/);
    expect(error.found).toMatch(/line 19$/);
    expect(JSON.stringify(error)).not.toContain('secret');
  });
});
