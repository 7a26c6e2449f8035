import {
  type ErrorEntry,
  errorTable,
  exitStatus,
  type StatusName,
  statusMeanings,
} from '../../core/error.ts';
import { nearest, wrap } from '../../core/text.ts';
import { type CommandContext, type CommandResult, usage } from '../command.ts';
import { definitions, textColumns } from '../wrap.ts';

/** `stowage help errors [CODE...]`: all error codes, or the given ones in detail. */
export function helpErrors(codes: readonly string[], context: CommandContext): CommandResult {
  const columns = textColumns(context.terminal.stdout.columns);
  if (codes.length === 0)
    return { json: { errors: errorTable() }, text: wholeTable(errorTable(), columns) };
  const entries = codes.map(entryOf);
  return {
    json: { errors: entries },
    text: `${entries.map((each) => inFull(each, columns)).join('\n\n')}\n`,
  };
}

/** The codes that `stowage help errors` explains. */
export function errorNames(): string[] {
  return errorTable().map(({ code }) => code);
}

function entryOf(text: string): ErrorEntry {
  const code = text.replace(/^\[(.*)\]$/, '$1');
  const entry = errorTable().find((each) => each.code === code);
  if (entry !== undefined) return entry;
  const near = nearest(code, errorNames());
  throw usage(
    'unknown error code',
    'a code in brackets, such as part-damaged',
    text,
    near === undefined ? 'stowage help errors lists every code' : `did you mean ${near}?`,
  );
}

function meaningOf(status: number): string {
  const names = Object.keys(exitStatus) as StatusName[];
  const name = names.find((each) => exitStatus[each] === status);
  return `${status}: ${name === undefined ? 'failed' : statusMeanings[name]}`;
}

function inFull({ code, exitStatus: status, cause, remedy }: ErrorEntry, columns: number): string {
  return [
    code,
    ...definitions(
      [
        ['  exit status', meaningOf(status)],
        ['  cause', cause],
        ['  remedy', remedy],
      ],
      columns,
    ),
  ].join('\n');
}

function wholeTable(entries: readonly ErrorEntry[], columns: number): string {
  const lines: string[] = [];
  for (const status of Object.values(exitStatus)) {
    const some = entries.filter((each) => each.exitStatus === status);
    lines.push(...wrap(`exit status ${meaningOf(status)}`, columns), '');
    lines.push(
      ...definitions(
        some.map(({ code, cause, remedy }) => [`  ${code}`, cause, `remedy: ${remedy}`]),
        columns,
      ),
    );
    lines.push('');
  }
  return `${lines.join('\n')}Run "stowage help errors CODE" to show a single error.\n`;
}
