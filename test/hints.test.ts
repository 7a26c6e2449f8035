import { describe, expect, it } from 'vitest';
import { isElsewhere } from '../src/cli/commands-elsewhere.ts';
import { createProgram, disconnectedGroups } from '../src/cli/program.ts';
import { errorTable } from '../src/core/error.ts';
import { fakeTerminal } from './support/fake-terminal.ts';
import { readSource, type SourceFile } from './support/import-graph.ts';

/** A string or template in code. */
const LITERAL = /'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g;
const COMMAND = /(?<![\w./@-])stowage ((?:store )?[a-z][a-z-]*)/g;
/** Who has the connected side's commands, or where they run. */
const ELSEWHERE = /release engineer|connected side|sending side|complete bundle|elsewhere/;

/** The lock is a document of the connected side; examples are shown with the command that they are of. */
const THERE = ['cli/examples.ts', 'format/lock.ts', 'core/failure-table.ts'];

const source = readSource();
const installer = createProgram(fakeTerminal('/').terminal, async () => {}, disconnectedGroups);
/** The commands that the installer does not have, such as `lock` and `store pull`. */
const connected = installer.commands.flatMap((each) => [
  ...(isElsewhere(each) ? [each.name()] : []),
  ...each.commands.filter(isElsewhere).map((below) => `${each.name()} ${below.name()}`),
]);

/** Every file of the installer, which is what sites have. */
function installerFiles(): SourceFile[] {
  const found = new Map<string, SourceFile>();
  const visit = (path: string): void => {
    const file = source.get(path);
    if (file === undefined || found.has(path)) return;
    found.set(path, file);
    for (const { target } of file.imports) visit(target);
  };
  visit('cli/installer.ts');
  return [...found.values()];
}

const literals = (code: string): string[] =>
  [...code.matchAll(LITERAL)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');

/** The literals of each error that is made in a file: of its message, and of its hint. */
function errorsOf({ path, code }: SourceFile): { path: string; message: string; hint: string }[] {
  return code
    .split('new StowageError(')
    .slice(1)
    .flatMap((text) => {
      const end = text.search(/\n {0,4}\}?\);?\n/);
      const own = end < 0 ? text : text.slice(0, end);
      const [, before = '', after = ''] = /^([\s\S]*?)\bhint:([\s\S]*)$/.exec(own) ?? [];
      const [, message = ''] = literals(before);
      return literals(after.split(/\n\s+(?:defects|cause)\b/)[0] ?? '').map((hint) => ({
        ...{ path, message },
        hint,
      }));
    });
}

const errors = [...source.values()].flatMap(errorsOf);
const plain = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, ' ')
    .trim();

describe('when a message of the installer names a command', () => {
  it('names one that the installer has, or says whose it is', () => {
    const files = installerFiles();
    expect(files.length).toBeGreaterThan(300);
    expect(connected).toEqual(expect.arrayContaining(['lock', 'pack', 'check', 'store pull']));
    const elsewhere = files.filter(({ path }) => !THERE.includes(path));
    const wrong = elsewhere.flatMap(({ path, code }) =>
      literals(code)
        .filter((text) => !ELSEWHERE.test(text))
        .flatMap((text) =>
          [...text.matchAll(COMMAND)]
            .filter(([, verb = '']) => connected.includes(verb))
            .map(() => `${path}: ${text}`),
        ),
    );
    expect(wrong).toEqual([]);
  });
});

describe('when an error has a hint', () => {
  it('finds them', () => {
    expect(errors.length).toBeGreaterThan(250);
    expect(errors.filter(({ message }) => message !== '').length).toBeGreaterThan(150);
  });

  it('never repeats the message', () => {
    const repeated = errors.filter(({ message, hint }) => {
      const [one, other] = [plain(message), plain(hint)];
      const isClause = one !== '' && other.split(' ').length > 2;
      return isClause && (one === other || other.startsWith(one) || one.endsWith(other));
    });
    expect(repeated).toEqual([]);
  });

  it('is a clause in lower case, without a full stop', () => {
    const wrong = errors.filter(({ hint }) => /^[A-Z][a-z]+ [a-z]|\.$|\n/.test(hint));
    expect(wrong).toEqual([]);
  });
});

describe('when the table of errors gives a remedy', () => {
  it('names commands of the connected side only where the error comes from there', () => {
    const named = errorTable().filter(({ remedy }) =>
      [...remedy.matchAll(COMMAND)].some(([, verb = '']) => connected.includes(verb)),
    );
    expect(named.map(({ code }) => code)).toEqual([
      ...['lock-invalid', 'lock-stale', 'version-reused'],
      ...['fleet-absent', 'fleet-damaged', 'site-unknown'],
    ]);
  });

  it.each(errorTable())('does not repeat the cause of $code', ({ cause, remedy }) => {
    expect(plain(remedy)).not.toBe(plain(cause));
    expect(plain(remedy).startsWith(plain(cause))).toBe(false);
  });
});
