import {
  everyOutline,
  type Outline,
  type OutlineOption,
  outlineOf,
} from '../../src/cli/completion/outline.ts';
import { everyGroup } from '../../src/cli/every-group.ts';
import { examples } from '../../src/cli/examples.ts';
import { createProgram } from '../../src/cli/program.ts';
import { exitStatus, type StatusName, statusMeanings } from '../../src/core/error-table.ts';
import { PRODUCT, PRODUCT_VERSION } from '../../src/core/product.ts';

/** The page of the manual, `stowage.1`, of what the program says of itself. It has no date: equal sources, equal bytes. */
export function manPage(): string {
  const program = outlineOf(createProgram(process, async () => {}, everyGroup));
  const groups = [...new Set(program.commands.map((each) => each.group))];
  return [
    `.TH ${PRODUCT.toUpperCase()} 1 "" "${PRODUCT} ${PRODUCT_VERSION}" "User Commands"`,
    '.SH NAME',
    `${PRODUCT} \\- ${plain(program.about)}`,
    '.SH SYNOPSIS',
    `.B ${PRODUCT}`,
    '.I command',
    '[argument ...] [option ...]',
    '.SH DESCRIPTION',
    'On a connected machine one manifest of models, images and files becomes one signed bundle, a plain folder.',
    'It is carried across the gap, verified, installed, and asked a question; if the model does not answer as it',
    'should, what ran before runs again.',
    'Results go to stdout, everything else to stderr.',
    ...groups.flatMap((group) => [
      `.SH ${plain(group.replace(/:$/, '').toUpperCase())}`,
      ...program.commands
        .filter((each) => each.group === group)
        .flatMap(everyOutline)
        .flatMap(command),
    ]),
    '.SH EXIT STATUS',
    ...(Object.keys(exitStatus) as StatusName[]).flatMap((name) => [
      '.TP',
      `.B ${exitStatus[name]}`,
      plain(statusMeanings[name]),
    ]),
    '.SH ENVIRONMENT',
    ...['.TP', '.B STOWAGE_STORE', 'where pulled blobs are kept, in place of \\fB\\-\\-store\\fR'],
    ...['.TP', '.B STOWAGE_SITE', "the site's folder, in place of \\fB\\-\\-site\\fR"],
    '.SH SEE ALSO',
    ...['.BR openssl (1),', '.BR sha512sum (1),', '.BR podman (1),', '.BR docker (1)'],
    '',
  ].join('\n');
}

/** One that only has others below it is told of by them. */
function command({ path, about, arguments: given, options, commands }: Outline): string[] {
  if (commands.length > 0 && given.length === 0 && options.every(({ long }) => long === '--help'))
    return [];
  const values = given.map(({ name, required, variadic }) => {
    const text = `\\fI${plain(name)}\\fR${variadic ? ' ...' : ''}`;
    return required ? text : `[${text}]`;
  });
  const typed = examples[path] ?? [];
  return [
    `.SS ${[PRODUCT, ...path.split(' ')].map(plain).join(' ')} ${values.join(' ')}`.trimEnd(),
    plain(about),
    ...options.filter(({ long }) => long !== '--help').flatMap(option),
    ...(typed.length === 0 ? [] : ['.PP', '.EX', ...typed.map(plain), '.EE']),
  ];
}

function option({ long, short, about, value }: OutlineOption): string[] {
  const flags = [...(short === undefined ? [] : [short]), long].map(
    (flag) => `\\fB${plain(flag)}\\fR`,
  );
  const name = value === undefined ? '' : ` \\fI${plain(value.name)}\\fR`;
  return ['.TP', `${flags.join(', ')}${name}`, plain(about)];
}

/** Text that roff shows as it is. */
function plain(text: string): string {
  const signs: Readonly<Record<string, string>> = {
    '\\': '\\e',
    '-': '\\-',
    "'": '\\(aq',
    '`': '\\(ga',
    '^': '\\(ha',
    '~': '\\(ti',
  };
  return text.replace(/[\\\-'`^~]/g, (sign) => signs[sign] ?? sign).replace(/^\./, '\\&.');
}
