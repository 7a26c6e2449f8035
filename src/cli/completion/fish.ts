import {
  everyOutline,
  lastWord,
  type Outline,
  type OutlineOption,
  type Wanted,
} from './outline.ts';

/** A script that completes the program in fish 3.4 and later. */
export function fishCompletion(name: string, program: Outline): string {
  const all = everyOutline(program);
  const paths = all.flatMap(({ path }) => (path === '' ? [] : [quote(path)]));
  return `# Completes ${name} in fish. Made by: ${name} completion fish
function __${name}_is
    set -l path
    for word in (commandline -opc)[2..]
        if contains -- "$(string join ' ' -- $path $word)" ${paths.join(' ')}
            set -a path $word
        end
    end
    test "$(string join ' ' -- $path)" = "$argv[1]"
end

complete -c ${name} -f
${all.flatMap((each) => linesOf(name, each)).join('\n')}
`;
}

function linesOf(name: string, { path, options, commands, arguments: [first] }: Outline): string[] {
  const start = `complete -c ${name} -n ${quote(`__${name}_is ${quote(path)}`)}`;
  return [
    ...commands.map((each) => `${start} -a ${lastWord(each)} -d ${quote(each.about)}`),
    ...(first === undefined || first.wanted === 'nothing' || commands.length > 0
      ? []
      : [`${start} ${offer(first.wanted)}`]),
    ...options.map((option) => `${start} ${optionOf(option)}`),
  ];
}

function optionOf({ long, short, about, value }: OutlineOption): string {
  const flags = [`-l ${long.slice(2)}`, ...(short === undefined ? [] : [`-s ${short.slice(1)}`])];
  const wanted =
    value === undefined ? [] : [value.wanted === 'file' ? '-r' : '-x', offer(value.wanted)];
  return [...flags, '-d', quote(about), ...wanted].filter((each) => each !== '').join(' ');
}

function offer(wanted: Wanted): string {
  if (wanted === 'file') return '-F';
  if (wanted === 'folder') return "-a '(__fish_complete_directories (commandline -ct))'";
  return wanted === 'nothing' ? '' : `-a ${quote(wanted.join(' '))}`;
}

function quote(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
