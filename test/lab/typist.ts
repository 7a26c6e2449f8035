import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from './process.ts';

/** What somebody types when a program asks: the first pattern that the end of the screen matches. */
export type Answers = readonly (readonly [RegExp, () => string])[];

export interface Typed {
  readonly status: number;
  /** What stood on the screen. */
  readonly screen: string;
}

/**
 * A person at a terminal of their own: one bash that keeps its folder and variables from command to command. Reads
 * commands from a pipe of its own, so that the keyboard is free for what programs ask.
 */
export class Typist {
  readonly #shell: ChildProcess;
  readonly #commands: number;
  readonly #answers: Answers;
  #screen = '';
  #answered = 0;

  private constructor(shell: ChildProcess, commands: number, answers: Answers) {
    this.#shell = shell;
    this.#commands = commands;
    this.#answers = answers;
    shell.stdout?.setEncoding('utf8').on('data', (text: string) => this.#see(text));
  }

  /** @param enter a command to start the terminal through, such as the entrance of a namespace */
  static async sit(
    place: string,
    env: NodeJS.ProcessEnv,
    answers: Answers,
    enter: readonly string[] = [],
  ): Promise<Typist> {
    mkdirSync(place, { recursive: true });
    const [pipe, loop] = [join(place, 'commands'), join(place, 'loop.sh')];
    await run('mkfifo', [pipe]);
    writeFileSync(loop, LOOP);
    const [program = '', ...rest] = [...enter, 'script', '--quiet', '--return', '--command'];
    const shell = spawn(program, [...rest, `exec bash --norc ${loop} ${pipe}`, '/dev/null'], {
      cwd: place,
      env: { ...env, TERM: 'dumb' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    return new Typist(shell, openSync(pipe, 'w+'), answers);
  }

  /** Types one command, answers what is asked, and waits for its end. */
  async type(command: string, seconds: number): Promise<Typed> {
    this.#screen = '';
    this.#answered = 0;
    writeSync(this.#commands, `${command}\0`);
    const deadline = performance.now() + seconds * 1000;
    for (;;) {
      const end = END.exec(this.#screen);
      if (end !== null) return { status: Number(end[1]), screen: this.#screen.slice(0, end.index) };
      if (performance.now() > deadline || this.#shell.exitCode !== null)
        return { status: -1, screen: `${this.#screen}\n(no end within ${seconds} s)` };
      await delay(10);
    }
  }

  async leave(): Promise<void> {
    if (this.#shell.exitCode !== null) return;
    const gone = once(this.#shell, 'exit');
    this.#shell.kill('SIGKILL');
    await gone;
  }

  #see(text: string): void {
    this.#screen += text;
    const asked = this.#screen.slice(this.#answered);
    const answer = this.#answers.find(([question]) => question.test(asked));
    if (answer === undefined) return;
    this.#answered = this.#screen.length;
    void this.#answer(`${answer[1]()}\n`);
  }

  /** Programs that ask for a PIN throw away what was typed before they turned the echo off (`TCSAFLUSH`). */
  async #answer(line: string): Promise<void> {
    const asked = this.#answered;
    const unheard = (): boolean =>
      this.#answered === asked && this.#screen.length === asked && this.#shell.exitCode === null;
    for (let wait = REACTION_MS; ; wait = AGAIN_MS) {
      await delay(wait);
      if (!unheard()) return;
      this.#shell.stdin?.write(line);
    }
  }
}

const REACTION_MS = 300;
const AGAIN_MS = 5000;
const END = /\u001eended ([0-9]+)\u001e/;
const LOOP = `while IFS= read -r -d '' -u 9 command; do
  eval "$command" 9<&-
  printf '\\x1eended %d\\x1e' $?
done 9<"$1"
`;
