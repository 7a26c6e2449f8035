import { everyOutline, flagsOf, lastWord, type Outline, type Wanted } from './outline.ts';

/** A script that completes the program in bash 4.4 and later. */
export function bashCompletion(name: string, program: Outline): string {
  const all = everyOutline(program);
  const offer = `_${name}_offer`;
  return `# Completes ${name} in bash. Made by: ${name} completion bash
${offer}() {
  case $1 in
    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
    folder) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$2") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2") ;;
  esac
}

_${name}() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]}
  local path='' options='' words='' index next
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    next=\${path:+$path }\${COMP_WORDS[index]}
    case $next in
      ${pathsOf(all)}) path=$next ;;
    esac
  done
  # bash takes --option=value apart.
  if [ "$word" = '=' ]; then
    word=''
  elif [ "$before" = '=' ]; then
    before=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  case "$path $before" in
${all.flatMap((each) => valueCases(each, offer)).join('\n')}
  esac
  case $path in
${all.map(commandCase).join('\n')}
  esac
  case $word in
    -*) ${offer} "$options" "$word" ;;
    *) ${offer} "$words" "$word" ;;
  esac
}

complete -F _${name} ${name}
`;
}

/** Every path but the program's, quoted. */
function pathsOf(all: readonly Outline[]): string {
  return all.flatMap(({ path }) => (path === '' ? [] : [`'${path}'`])).join('|');
}

/** What may follow each option that has a value. */
function valueCases({ path, options }: Outline, offer: string): string[] {
  return options.flatMap((option) => {
    if (option.value === undefined) return [];
    const patterns = flagsOf(option).map((flag) => `'${path} ${flag}'`);
    const words = wordsOf(option.value.wanted);
    const reply = words === '' ? '' : `${offer} '${words}' "$word"; `;
    return [`    ${patterns.join('|')}) ${reply}return ;;`];
  });
}

function commandCase({ path, options, commands, arguments: [first] }: Outline): string {
  const words = commands.length > 0 ? commands.map(lastWord) : (first?.wanted ?? 'nothing');
  return `    '${path}') options='${options.flatMap(flagsOf).join(' ')}' words='${wordsOf(words)}' ;;`;
}

function wordsOf(wanted: Wanted): string {
  if (wanted === 'nothing') return '';
  return typeof wanted === 'string' ? wanted : wanted.join(' ');
}
