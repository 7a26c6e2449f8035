import type { CommandResult, CommandRunner } from '../../../src/target/host/command.ts';

/** Answers for commands that begin with these words; the longest beginning wins, others succeed silently. */
export type Answers = Record<string, Partial<CommandResult> | (() => Partial<CommandResult>)>;

export interface FakeCommands {
  readonly run: CommandRunner;
  /** Every command so far, its words joined by spaces. */
  readonly calls: string[];
  /** The environment of the last one. */
  env(): Readonly<Record<string, string | undefined>>;
}

/** A host whose programs say what a test wants. */
export function fakeCommands(answers: Answers): FakeCommands {
  const calls: string[] = [];
  let env: Readonly<Record<string, string | undefined>> = {};
  return {
    calls,
    env: () => env,
    run: async (program, args, options) => {
      const line = [program, ...args].join(' ');
      calls.push(line);
      env = options.env;
      const [key] = Object.keys(answers)
        .filter((each) => line.startsWith(each))
        .sort((a, b) => b.length - a.length);
      const answer = key === undefined ? {} : answers[key];
      const result = typeof answer === 'function' ? answer() : answer;
      return { status: 0, stdout: '', stderr: '', ...result };
    },
  };
}
