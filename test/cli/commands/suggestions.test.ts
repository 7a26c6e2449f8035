import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { pathOf, visibleCommands } from '../../../src/cli/command-tree.ts';
import { outlineOf } from '../../../src/cli/completion/outline.ts';
import { everyGroup } from '../../../src/cli/every-group.ts';
import { createProgram } from '../../../src/cli/program.ts';
import { fakeTerminal, runProgram } from '../../support/fake-terminal.ts';

const program = createProgram(fakeTerminal('/').terminal, async () => {}, everyGroup);
const below = (command: Command): Command[] =>
  visibleCommands(command).flatMap((each) => [each, ...below(each)]);
const commands = below(program).filter((each) => each.name() !== 'help');
const paths = commands.map(pathOf);
const swapped = (word: string): string =>
  word.length < 4 ? `${word}x` : `${word[0]}${word[2]}${word[1]}${word.slice(3)}`;
const misspelled = paths
  .map((path) => [path, path.replace(/[\w-]+$/, swapped)] as const)
  .filter(([path, wrong]) => path !== wrong && path.split(' ').at(-1) !== 'ls');

describe('when a command is misspelled', () => {
  it.each(misspelled)('is suggested: %s for %s', async (path, wrong) => {
    const { stderr, status } = await runProgram(wrong.split(' '), '/');
    expect(status).toBe(2);
    expect(stderr).toMatch(
      new RegExp(`Did you mean (?:one of )?.*\\b${path.split(' ').at(-1)}\\b`),
    );
  });

  it.each([
    ['help audti', 'audit'],
    ['help fidnings', 'findings'],
    ['help errors lock-stael', 'lock-stale'],
  ])('is suggested by help: %s', async (line, meant) => {
    const { error } = await runProgram(line.split(' '), '/');
    expect(error).toMatchObject({ code: 'usage-invalid', hint: `did you mean ${meant}?` });
  });
});

describe('when the help of a command is shown', () => {
  it.each(paths)('lists the options of every command: %s', async (path) => {
    const { stdout } = await runProgram([...path.split(' '), '--help'], '/');
    for (const option of ['--json', '-q, --quiet', '-v, --verbose', '-h, --help'])
      expect(stdout).toContain(`  ${option} `);
  });

  it.each(['audit', 'trust', 'store', 'receipt'])(
    'accepts them before a subcommand: %s',
    async (group) => {
      const [command] = commands.filter((each) => each.parent?.name() === group);
      const words = [group, '-q', command?.name() ?? '', '--help'];
      const { stdout, status } = await runProgram(words, '/');
      expect(status).toBe(0);
      expect(stdout).toContain(`Usage: stowage ${group} ${command?.name()}`);
    },
  );

  it('lists all of them in completions', () => {
    const groups = outlineOf(program).commands.filter((each) => each.commands.length > 0);
    expect(groups.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['audit', 'trust', 'store', 'receipt']),
    );
    for (const { options } of groups)
      expect(options.map(({ long }) => long)).toEqual(
        expect.arrayContaining(['--json', '--quiet', '--verbose']),
      );
  });

  it('stays short for the program itself', async () => {
    const { stdout } = await runProgram(['--help'], '/');
    expect(stdout).not.toContain('  audit ');
    expect((await runProgram(['help', 'commands'], '/')).stdout).toContain('  audit ');
  });
});
