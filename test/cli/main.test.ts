import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.ts';

const scratch = scratchFolder();
const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** The program as a process of its own. */
function stowage(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [main, ...args], { cwd: scratch.root, encoding: 'utf8' });
}

describe('when the program runs as a process', () => {
  it('exits with the status of the error and prints it as text on stderr', () => {
    const ran = stowage('inspect', 'nowhere');
    expect(ran.status).toBe(1);
    expect(ran.stdout).toBe('');
    expect(ran.stderr).toMatch(/^stowage: error: .* \[bundle-absent\]\n/);
  });

  it('prints an error as JSON on stdout', () => {
    const ran = stowage('inspect', 'nowhere', '--json');
    expect(ran.status).toBe(1);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      error: { code: 'bundle-absent', exitStatus: 1, defects: [] },
    });
  });

  it('prints the code of a usage error as text and as JSON', () => {
    const ran = stowage('pack', '--parrity', '3', '--json');
    expect(ran.status).toBe(2);
    expect(ran.stderr).toMatch(/^stowage: error: unknown option '--parrity' \[usage-invalid\]\n/);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      error: { code: 'usage-invalid', message: "unknown option '--parrity'", exitStatus: 2 },
    });
  });

  it.each([
    ['an unknown help topic', ['help', 'nonsense']],
    ['an empty value', ['status', '--site=']],
    ['too many arguments', ['check', 'a.yaml', 'b.yaml']],
    ['an option of no command', ['--colour', 'check', 'a.yaml']],
  ])('calls %s a usage error', (_, args) => {
    const ran = stowage(...args, '--json');
    expect(ran.status).toBe(2);
    expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code: 'usage-invalid' } });
  });

  it('takes the options of every command before the command too', () => {
    const ran = stowage('--json', '-v', 'inspect', 'nowhere');
    expect(ran.status).toBe(1);
    expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code: 'bundle-absent' } });
    for (const alone of ['-v', '-V', '--version'])
      expect(stowage(alone)).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d/) });
  });

  it('says where the help of a command is', () => {
    expect(stowage('trust', 'init', '--nope').stderr).toContain('stowage trust init --help');
    expect(stowage('nope').stderr).toContain('stowage help commands');
  });

  it('exits with 2 for usage errors and 0 for success', () => {
    expect(stowage('instal')).toMatchObject({ status: 2, stdout: '' });
    const done = stowage('init', 'a.yaml', '--json');
    expect(done).toMatchObject({ status: 0, stderr: '' });
    expect(JSON.parse(done.stdout)).toMatchObject({ manifest: expect.stringContaining('a.yaml') });
  });
});
