import {
  everyOutline,
  flagsOf,
  lastWord,
  type Outline,
  type OutlineOption,
  type Wanted,
} from './outline.ts';

/** A script that completes the program in zsh 5.8 and later, sourced or as a function `_NAME` in fpath. */
export function zshCompletion(name: string, program: Outline): string {
  return `#compdef ${name}
# Completes ${name} in zsh. Made by: ${name} completion zsh
${everyOutline(program)
  .map((each) => functionOf(name, each))
  .join('\n')}
if [ "$funcstack[1]" = _${name} ]; then
  _${name} "$@"
else
  compdef _${name} ${name}
fi
`;
}

function functionOf(name: string, outline: Outline): string {
  const specs = outline.options.map(optionSpec);
  const [first] = outline.arguments;
  if (outline.commands.length === 0) {
    if (first !== undefined) specs.push(quote(`*:${first.name}:${action(first.wanted)}`));
    return `${nameOf(name, outline)}() {\n  _arguments ${specs.join(' \\\n    ')}\n}\n`;
  }
  specs.push("'1:command:->command'", "'*::argument:->argument'");
  const described = outline.commands.map((each) => quote(`${lastWord(each)}:${each.about}`));
  const cases = outline.commands.map((each) => `    ${lastWord(each)}) ${nameOf(name, each)} ;;`);
  return `${nameOf(name, outline)}() {
  local context state state_descr line commands
  typeset -A opt_args
  _arguments -C ${specs.join(' \\\n    ')}
  case $state in
  command)
    commands=(${described.join('\n      ')})
    _describe command commands ;;
  argument)
    case $words[1] in
${cases.join('\n')}
    esac ;;
  esac
}
`;
}

/** `_stowage`, `_stowage_store_pull`. */
function nameOf(name: string, { path }: Outline): string {
  return `_${[name, ...path.split(' ').filter((each) => each !== '')].join('_')}`;
}

function optionSpec(option: OutlineOption): string {
  const { about, value, repeatable } = option;
  const description = `[${about.replace(/[\][:\\]/g, '\\$&')}]`;
  const follows =
    value === undefined ? '' : `:${value.name.replaceAll(':', '\\:')}:${action(value.wanted)}`;
  const flags = flagsOf(option);
  if (flags.length === 1) {
    const equals = value === undefined ? '' : '=';
    return quote(`${repeatable ? '*' : ''}${flags[0]}${equals}${description}${follows}`);
  }
  return `'(${flags.join(' ')})'{${flags.map((flag) => (value !== undefined && flag.startsWith('--') ? `${flag}=` : flag)).join(',')}}${quote(`${description}${follows}`)}`;
}

function action(wanted: Wanted): string {
  if (wanted === 'file') return '_files';
  if (wanted === 'folder') return '_files -/';
  return wanted === 'nothing' ? '' : `(${wanted.join(' ')})`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
