import { spawnSync } from 'node:child_process';

/** One block of commands in a document, as a person would type it. */
export interface CommandBlock {
  /** The heading that it stands under. */
  readonly heading: string;
  readonly line: number;
  /** One command an entry, continuation lines and here documents joined. */
  readonly commands: readonly string[];
  /** Why nobody runs it here; undefined for what is run. */
  readonly notRun?: string;
  /** Whether it is typed at the site, behind the gap. */
  readonly site: boolean;
  /** The status that the last command ends with; the others end with 0. */
  readonly status: number;
}

/** The pages whose commands `test/e2e/documents.test.ts` types, in this order. `OPERATOR.txt` follows the first. */
export const typedPages = [
  'README.md',
  'signing/CEREMONY.md',
  'signing/README.md',
  'signing/ACCREDITATION.md',
  'signing/KEYS.md',
  'signing/TRUST.md',
  'manifests/README.md',
  'manifests/MEDIA.md',
  'CONTRIBUTING.md',
] as const;

/** The page whose commands `test/e2e/fleet-page.test.ts` types, at home and at a site. */
export const fleetPage = 'manifests/FLEET.md';

/** The mark of blocks of other pages that are typed with that page: why they are not run where they stand. */
export const WITH_FLEET_PAGE = 'typed with the page of fleets';

/** The page whose commands `test/e2e/perimeter.test.ts` types in a network without a way out. */
export const perimeterPage = 'manifests/PERIMETER.md';

/** The page whose commands `test/e2e/hops-page.test.ts` types at several hosts of a network without a way out. */
export const hopsPage = 'manifests/HOPS.md';

/** The page whose commands `test/e2e/kubernetes-neighbours.test.ts` types on a cluster. */
export const clusterPage = 'manifests/KUBERNETES.md';

const MARK = /^<!-- (not run: .+|at the site|status [0-9]+) -->$/;

/**
 * The blocks of a Markdown page that are fenced as `sh`. Comments in the lines before a block say what to do with it:
 * `<!-- not run: WHY -->`, `<!-- at the site -->`, `<!-- status N -->`.
 */
export function commandsOfPage(text: string): CommandBlock[] {
  const blocks: CommandBlock[] = [];
  let heading = '';
  let marks: string[] = [];
  let open: { language: string; line: number; lines: string[] } | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^ *```([a-z]*)$/.exec(line);
    if (open !== undefined && fence !== null) {
      if (open.language === 'sh') blocks.push(blockOf(heading, open.line, open.lines, marks));
      open = undefined;
      marks = [];
    } else if (open !== undefined) open.lines.push(line);
    else if (fence !== null) open = { language: fence[1] ?? '', line: index + 2, lines: [] };
    else if (MARK.test(line)) marks.push(MARK.exec(line)?.[1] ?? '');
    else if (line.trim() !== '') {
      marks = [];
      heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading;
    }
  }
  return blocks;
}

/** The commands of a guide in plain text: lines indented by four spaces are run, those by six for a case alone. */
export function commandsOfGuide(text: string): CommandBlock[] {
  const blocks: CommandBlock[] = [];
  let heading = '';
  for (const [index, line] of text.split('\n').entries()) {
    heading = /^[0-9]+\. .*$/.exec(line)?.[0] ?? heading;
    const [, indent = '', command] = /^( {4}| {6})(\S.*)$/.exec(line) ?? [];
    if (command === undefined) continue;
    const marks = ['at the site', ...(indent.length === 6 ? ['not run: for a case'] : [])];
    blocks.push(blockOf(heading, index + 1, [command], marks));
  }
  return blocks;
}

function blockOf(
  heading: string,
  line: number,
  lines: readonly string[],
  marks: readonly string[],
): CommandBlock {
  const notRun = marks.find((mark) => mark.startsWith('not run: '))?.slice(9);
  const status = marks.find((mark) => mark.startsWith('status '))?.slice(7) ?? '0';
  return {
    heading,
    line,
    commands: joined(lines),
    ...(notRun === undefined ? {} : { notRun }),
    site: marks.includes('at the site'),
    status: Number(status),
  };
}

/** Lines put together where the shell reads on: a backslash, an open quotation, a here document. */
function joined(lines: readonly string[]): string[] {
  const commands: string[] = [];
  let command = '';
  for (const line of lines) {
    command = command === '' ? line : `${command}\n${line}`;
    if (command.trim() === '' || command.startsWith('#')) command = '';
    else if (isWhole(command)) {
      commands.push(command);
      command = '';
    }
  }
  return command === '' ? commands : [...commands, command];
}

function isWhole(command: string): boolean {
  if (command.endsWith('\\')) return false;
  const { status, stderr } = spawnSync('bash', ['-n'], {
    input: command,
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  return status === 0 && !stderr.includes('here-document');
}

const OPERATOR = /[0-9]?[<>]+[(&]?|[;|&\n()]+/;
const PIECE = /'[^']*'|"(?:\\.|[^"])*"|\$\([^)]*\)|(?:\\.|[^\s;|&()<>'"])/;
const WORD = new RegExp(`(${OPERATOR.source})|(?:${PIECE.source})+`, 'g');

/** The words after `stowage` of each call in a command line, as the shell would hand them over. */
export function callsOf(command: string): string[][] {
  const calls: string[][] = [];
  let call: string[] | undefined;
  let begins = true;
  let comment = false;
  for (const [word, operator] of command.matchAll(WORD)) {
    if (operator?.includes('\n') === true) comment = false;
    else if (word.startsWith('#')) comment = true;
    if (comment) continue;
    if (operator !== undefined) call = undefined;
    else if (call !== undefined) call.push(word.replace(/^(['"])(.*)\1$/s, '$2'));
    // Another program may start it by its name, as ssh does; a path that ends so may be anything, but at the beginning.
    else if (word === 'stowage' || (begins && /^[^=]*\/stowage$/.test(word))) {
      call = [];
      calls.push(call);
    }
    begins = operator !== undefined;
  }
  return calls;
}
