import { describe, expect, it } from 'vitest';
import { commandContext } from '../../../src/cli/command.ts';
import type { Run } from '../../../src/cli/options.ts';
import { createProgram, disconnectedGroups } from '../../../src/cli/program.ts';
import { errorCodes, errorTable } from '../../../src/core/error-table.ts';
import { ruleNames } from '../../../src/format/finding.ts';
import { fakeTerminal, runProgram } from '../../support/fake-terminal.ts';

const codes = Object.values(errorCodes).flat();

describe('when help is requested', () => {
  it('prints every code with cause and remedy, no wider than the screen', async () => {
    const { status, stdout } = await runProgram(['help', 'errors'], '/');
    expect(status).toBe(0);
    for (const code of codes) expect(stdout).toMatch(new RegExp(`^  ${code} +\\S`, 'm'));
    expect(stdout.match(/ remedy: /g)).toHaveLength(codes.length);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('prints one code in detail with its exit status, also if given in brackets', async () => {
    const { stdout } = await runProgram(['help', 'errors', '[part-damaged]'], '/');
    expect(stdout).toMatch(/^part-damaged\n {2}exit status {2}10: the bundle is not trusted/);
    const entry = errorTable().find(({ code }) => code === 'part-damaged');
    const words = stdout.replaceAll(/\s+/g, ' ');
    expect(words).toContain(`cause ${entry?.cause}`);
    expect(words).toContain(`remedy ${entry?.remedy}`);
  });

  it('returns them as data', async () => {
    const { stdout } = await runProgram(['help', 'errors', '--json'], '/');
    const { errors } = JSON.parse(stdout) as { errors: { code: string; exitStatus: number }[] };
    expect(errors.map((each) => each.code)).toEqual(codes);
    expect(errors.find((each) => each.code === 'site-locked')).toEqual({
      code: 'site-locked',
      exitStatus: 11,
      cause: expect.any(String),
      remedy: expect.any(String),
    });
  });

  it('explains every rule on the connected side', async () => {
    const { stdout } = await runProgram(['help', 'findings'], '/');
    for (const rule of ruleNames) expect(stdout).toContain(`\n${rule}: `.trimStart());
    const one = await runProgram(['help', 'findings', 'pickle'], '/');
    expect(one.stdout).toMatch(/^pickle: refused unless the manifest allows it\n/);
  });

  it('explains a command as --help does, and a subcommand', async () => {
    const asked = await runProgram(['help', 'install'], '/');
    expect(asked.stdout).toBe((await runProgram(['install', '--help'], '/')).stdout);
    expect(asked.stdout).toContain('\nExamples:\n  stowage install . --trust root.pem\n');
    const below = await runProgram(['help', 'trust', 'init'], '/');
    expect(below.stdout).toContain('Usage: stowage trust init');
    const data = await runProgram(['help', 'gc', '--json'], '/');
    expect(JSON.parse(data.stdout)).toMatchObject({
      usage: 'stowage gc [options]',
      examples: ['stowage gc --dry-run', 'stowage gc --keep 1'],
    });
  });

  it.each([
    [['help', 'nosuch']],
    [['help', 'trust', 'nosuch']],
    [['help', 'install', 'more']],
    [['help', 'errors', 'nosuch']],
    [['help', 'findings', 'nosuch']],
    [['help', 'constructor']],
  ])('rejects %j as unknown', async (words) => {
    const { status, error } = await runProgram(words, '/');
    expect(status).toBe(2);
    expect(error?.code).toBe('usage-invalid');
  });
});

describe('when help is requested from the installer in a bundle', () => {
  it('explains errors but not findings', async () => {
    const { terminal } = fakeTerminal('/');
    const { signal, now } = terminal;
    let text = '';
    const run: Run = async (action) => {
      ({ text } = await action(commandContext(terminal, { signal, emit: () => {}, now })));
    };
    const program = createProgram(terminal, run, disconnectedGroups);
    const help = program.commands.find((each) => each.name() === 'help');
    expect(help?.description()).toBe('show help for a command, or for one of: errors, site.yaml');
    await program.parseAsync(['node', 'stowage', 'help', 'errors', 'host-unfit']);
    expect(text).toMatch(/^host-unfit\n/);
    const asked = program.parseAsync(['node', 'stowage', 'help', 'findings']);
    await expect(asked).rejects.toMatchObject({ code: 'usage-invalid' });
  });
});
