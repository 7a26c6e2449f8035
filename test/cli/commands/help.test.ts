import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commandContext } from '../../../src/cli/command.ts';
import { aliasesOf, pathOf, visibleCommands } from '../../../src/cli/command-tree.ts';
import { everyGroup } from '../../../src/cli/every-group.ts';
import type { Run } from '../../../src/cli/options.ts';
import { createProgram, disconnectedGroups } from '../../../src/cli/program.ts';
import { errorCodes, errorTable } from '../../../src/core/error.ts';
import { ruleNames } from '../../../src/format/finding.ts';
import { fakeTerminal, personScreen, runProgram } from '../../support/fake-terminal.ts';

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

  it('prints the licenses that are in the file beside the program, or says where it is from', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stowage-licenses-'));
    const beside = { program: join(folder, 'main.js') };
    const without = await runProgram(['help', 'licenses'], '/', beside);
    expect(without.status).toBe(1);
    expect(without.stderr).toContain('[file-missing]');
    writeFileSync(join(folder, 'THIRD-PARTY.txt'), 'Stowage 0.1.0, Apache-2.0\n');
    const { status, stdout } = await runProgram(['help', 'licenses'], '/', beside);
    rmSync(folder, { recursive: true });
    expect([status, stdout]).toEqual([0, 'Stowage 0.1.0, Apache-2.0\n']);
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

describe('when a terminal is narrow', () => {
  it.each([60, 80])('fits help into %s columns', async (columns) => {
    const screen = Object.assign(personScreen(), { columns });
    for (const words of [['--help'], ['help', 'commands'], ['help', 'errors', 'part-damaged']]) {
      await runProgram(words, '/', { stdout: screen });
      for (const line of String(screen.read()).split('\n'))
        expect(line.length, line).toBeLessThanOrEqual(columns);
    }
  });

  it('continues long examples as a shell accepts them', async () => {
    const screen = Object.assign(personScreen(), { columns: 60 });
    await runProgram(['sign', '--help'], '/', { stdout: screen });
    const text = String(screen.read());
    expect(text).toContain(
      '  stowage sign chat-1.0.0 --key release.key.pem \\\n      --certificate release.pem\n',
    );
  });
});

describe('when a command of the connected side is called at a site', () => {
  const call = async (args: readonly string[]): Promise<unknown> => {
    const { terminal } = fakeTerminal('/');
    const { signal, now } = terminal;
    const run: Run = async (action) => {
      await action(commandContext(terminal, { signal, emit: () => {}, now }));
    };
    return createProgram(terminal, run, disconnectedGroups).parseAsync(['node', 'x', ...args]);
  };
  const at = (groups: typeof everyGroup): string[] =>
    visibleCommands(createProgram(fakeTerminal('/').terminal, async () => {}, groups)).flatMap(
      (each) =>
        [each, ...visibleCommands(each)].flatMap((one) =>
          one.commands.length > 0 ? [] : [pathOf(one), ...aliasesOf(one)],
        ),
    );
  const here = at(disconnectedGroups);
  const elsewhere = at(everyGroup).filter((path) => !here.includes(path));

  it('is every command that the installer lacks', () => {
    expect(elsewhere).toEqual(expect.arrayContaining(['pack', 'validate', 'store pull']));
  });

  it.each(elsewhere)('says where %s runs', async (path) => {
    const expected = { code: 'usage-invalid', hint: expect.stringContaining('npm package') };
    const words = path.split(' ');
    await expect(call(words)).rejects.toMatchObject(expected);
    await expect(call([...words, 'x', '--store', 'y', '-o'])).rejects.toMatchObject(expected);
    await expect(call([...words, '--help'])).rejects.toMatchObject(expected);
    await expect(call(['help', ...words])).rejects.toMatchObject(expected);
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
    expect(help?.description()).toBe(
      'show help for a command, or for one of: commands, errors, licenses, man, site.yaml',
    );
    await program.parseAsync(['node', 'stowage', 'help', 'errors', 'host-unfit']);
    expect(text).toMatch(/^host-unfit\n/);
    await program.parseAsync(['node', 'stowage', 'help', 'man']);
    expect(text).toMatch(/^\.TH STOWAGE 1 /);
    expect(text).toContain('.SS stowage install ');
    expect(text).not.toContain('stowage pack');
    const asked = program.parseAsync(['node', 'stowage', 'help', 'findings']);
    await expect(asked).rejects.toMatchObject({ code: 'usage-invalid' });
  });
});
