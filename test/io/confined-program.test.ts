import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MIB } from '../../src/core/limits.ts';
import { type Rendering, runConfined } from '../../src/io/confined-program.ts';
import { expectCode } from '../support/error.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();

/** Runs a shell script with small limits. */
function run(script: string, signal = new AbortController().signal): Promise<Rendering> {
  const program = scratch.fresh('program');
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
  return runConfined(program, [], {
    ...{ folder: scratch.root, env: { PATH: process.env['PATH'], HF_TOKEN: 'hf_secret' }, signal },
    ...{ timeoutMs: 5000, maxOutputBytes: MIB, maxMemoryBytes: 256 * MIB },
  });
}

describe('when a program renders text', () => {
  it('has its folder, PATH and no other variable of this process', async () => {
    const { status, output, said } = await run('env; pwd; echo oops >&2; exit 3');
    expect({ status, said }).toEqual({ status: 3, said: 'oops\n' });
    expect(output).toContain(`HOME=${scratch.root}`);
    expect(output).toContain('HTTPS_PROXY=http://127.0.0.1:9');
    expect(output).not.toContain('hf_secret');
    expect(output.trim().split('\n').at(-1)).toBe(scratch.root);
  });

  it.each([
    ['never ends', 'exec sleep 600', 'time'],
    ['prints without end', 'exec yes', 'output'],
    ['takes all memory', 'exec node -e "const a=[];for(;;)a.push(Buffer.alloc(1e7,1))"', 'memory'],
  ])('is stopped when it %s', async (_, script, limit) => {
    const error = await expectCode(() => run(script), 'content-refused');
    expect(error.message).toContain(limit);
  });

  it('is stopped with this process', async () => {
    const controller = new AbortController();
    const running = run('exec sleep 600', controller.signal);
    controller.abort();
    await expectCode(() => running, 'interrupted');
  });

  it('is named when it cannot be started', async () => {
    const confinement = {
      ...{ folder: scratch.root, env: {}, signal: new AbortController().signal },
      ...{ timeoutMs: 1000, maxOutputBytes: 1, maxMemoryBytes: MIB },
    };
    const absent = join(scratch.root, 'absent');
    await expectCode(() => runConfined(absent, [], confinement), 'source-unsupported');
  });
});
