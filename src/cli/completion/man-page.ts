import { exitStatus, type StatusName, statusMeanings } from '../../core/error.ts';
import { PRODUCT, PRODUCT_VERSION } from '../../core/product.ts';
import { examples } from '../examples.ts';
import { everyOutline, type Outline, type OutlineOption } from './outline.ts';

/** The manual page `stowage.1` of a program, in roff. It has no date, so that equal sources give equal bytes. */
export function manPage(program: Outline): string {
  const common = program.commands[0]?.options.filter((each) => each.common) ?? [];
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
    'On a connected machine, Stowage pulls the models, images and files that a manifest lists, checks them, and packs',
    'them into one signed bundle. At the site, it verifies every byte, starts the services and tests them with prompts.',
    'If a test fails, it restores the previous version.',
    'Results go to stdout, everything else to stderr.',
    ...groups.flatMap((group) => [
      `.SH ${plain(group.replace(/:$/, '').toUpperCase())}`,
      ...program.commands
        .filter((each) => each.group === group)
        .flatMap(everyOutline)
        .flatMap(command),
    ]),
    '.SH COMMON OPTIONS',
    'Every command has these options.',
    ...common.flatMap(option),
    '.SH EXIT STATUS',
    ...(Object.keys(exitStatus) as StatusName[]).flatMap((name) => [
      '.TP',
      `.B ${exitStatus[name]}`,
      plain(statusMeanings[name]),
    ]),
    '.SH ENVIRONMENT',
    ...['.TP', '.B STOWAGE_STORE', 'folder for downloaded files, in place of \\fB\\-\\-store\\fR'],
    ...['.TP', '.B STOWAGE_SITE', "the site's folder, in place of \\fB\\-\\-site\\fR"],
    '.SH SEE ALSO',
    ...['.BR openssl (1),', '.BR sha512sum (1),', '.BR podman (1),', '.BR docker (1)'],
    '',
  ].join('\n');
}

/** Nothing for a command that only has subcommands: these are described. */
function command({ path, aliases, about, arguments: given, options, commands }: Outline): string[] {
  if (commands.length > 0 && given.length === 0 && options.every(isCommon)) return [];
  const values = given.map(({ name, required, variadic }) => {
    const text = `\\fI${plain(name)}\\fR${variadic ? ' ...' : ''}`;
    return required ? text : `[${text}]`;
  });
  const typed = examples[path] ?? [];
  return [
    `.SS ${[PRODUCT, ...path.split(' ')].map(plain).join(' ')} ${values.join(' ')}`.trimEnd(),
    plain(about),
    ...(aliases.length === 0
      ? []
      : ['.PP', `Alias: ${aliases.map((each) => plain(`${PRODUCT} ${each}`)).join(', ')}.`]),
    ...options.filter((each) => !isCommon(each)).flatMap(option),
    ...(typed.length === 0 ? [] : ['.PP', '.EX', ...typed.map(plain), '.EE']),
  ];
}

function isCommon({ long, common }: OutlineOption): boolean {
  return common || long === '--help';
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
