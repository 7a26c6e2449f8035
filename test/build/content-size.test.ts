import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatBytes } from '../../src/core/text.ts';
import { runProgram } from '../support/fake-terminal.ts';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();

describe('when a lock is packed', () => {
  it('shows the same content size for both', async () => {
    const folder = scratch.fresh();
    mkdirSync(folder);
    const manifest = 'apiVersion: stowage/v1\nname: a\nversion: 1.0.0\n';
    writeFileSync(
      join(folder, 'stowage.yaml'),
      `${manifest}files:\n  - { name: text, source: t.txt }\n`,
    );
    writeFileSync(join(folder, 't.txt'), 'text'.repeat(5000));
    const run = (...args: string[]) => runProgram([...args, '--store', 'store'], folder);
    const { result, stdout } = await run('lock');
    const bytes = (result?.json as { bytes: number } | undefined)?.bytes ?? 0;
    expect(stdout).toContain(`sequence 1, content ${formatBytes(bytes)}\n`);
    expect((await run('pack', '--no-installer')).stdout).toContain(
      `: ${formatBytes(bytes)} of content\n`,
    );
  });
});
