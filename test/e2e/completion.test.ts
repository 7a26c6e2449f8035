import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const scratch = scratchFolder();
const here = scratch.fresh('here');
const bin = scratch.fresh('bin');
const site = scratch.fresh('site');
const script = (shell: string): string => join(scratch.root, `stowage.${shell}`);

function run(command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: here,
    env: { ...process.env, PATH: `${bin}:${process.env['PATH']}`, STOWAGE_SITE: site },
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect(status, `${stdout}${stderr}`).toBe(0);
  return stdout;
}

beforeAll(() => {
  mkdirSync(join(here, 'bundle-1'), { recursive: true });
  writeFileSync(join(here, 'stowage yaml'), '');
  mkdirSync(bin);
  writeFileSync(
    join(bin, 'stowage'),
    `#!/bin/sh\nexec ${process.execPath} ${join(project, 'dist/main.js')} "$@"\n`,
  );
  chmodSync(join(bin, 'stowage'), 0o755);
  for (const [index, version] of ['1.0.0', '1.1.0'].entries()) {
    const release = join(site, 'releases', String(index).repeat(32));
    mkdirSync(release, { recursive: true });
    writeFileSync(join(release, 'bundle.json'), JSON.stringify({ name: 'chat', version }));
  }
  mkdirSync(join(site, 'generations'));
  writeFileSync(join(site, 'generations/3.json'), JSON.stringify({ releases: [{ name: 'chat' }] }));
  symlinkSync('generations/3.json', join(site, 'current'));
  for (const shell of ['bash', 'zsh', 'fish'])
    writeFileSync(
      script(shell),
      run(process.execPath, join(project, 'dist/main.js'), 'completion', shell),
    );
});

describe('when a user presses Tab in bash', () => {
  /** The completions of the last of these words, in any order. */
  function offered(...words: readonly string[]): string[] {
    const code = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
      $(complete -p stowage | sed 's/.*-F \\([^ ]*\\).*/\\1/'); printf '%s\\n' "\${COMPREPLY[@]}"`;
    const said = run('bash', '-c', code, 'bash', script('bash'), 'stowage', ...words);
    return said
      .split('\n')
      .filter((line) => line !== '')
      .toSorted();
  }

  it.each([
    ['commands', ['sta'], ['start', 'status']],
    ['commands below a command', ['store', ''], ['list', 'prune', 'pull', 'verify']],
    ['commands after an option', ['store', '--json', 'pu'], ['pull']],
    ['options of that command', ['trust', 'sign', '--p'], ['--passphrase-fd', '--passphrase-file']],
    ['choices', ['sign', '--role', ''], ['approval', 'release']],
    ['choices behind =', ['sign', '--role', '=', 're'], ['release']],
    ['files', ['lock', ''], ['bundle-1', 'stowage yaml']],
    ['files of an option', ['install', '--trust', 'st'], ['stowage yaml']],
    ['folders alone', ['pack', '--from', ''], ['bundle-1']],
    ['commands and topics to explain', ['help', 'e'], ['errors', 'evaluate', 'export']],
    ['nothing for free text', ['override', '--by', ''], []],
    ['releases', ['plan', ''], ['chat', 'chat@1.0.0', 'chat@1.1.0']],
    ['versions, which bash splits off', ['plan', 'chat', '@', '1.1'], ['1.1.0']],
    ['versions behind @', ['plan', 'chat', '@'], ['1.0.0', '1.1.0']],
    ['installed releases', ['logs', ''], ['chat']],
    ['releases and folders', ['install', ''], ['bundle-1', 'chat', 'chat@1.0.0', 'chat@1.1.0']],
    ['generations', ['rollback', '--to', ''], ['3']],
    ['error codes', ['help', 'errors', 'part-d'], ['part-damaged']],
    ['rules', ['help', 'findings', 'pickle-tr'], ['pickle-trailing']],
    ['options of an alias', ['validate', '--f'], ['--file']],
    ['options of an alias below a command', ['store', 'ls', '--st'], ['--store']],
    ['no names of another site', ['plan', '--site', '/nowhere', ''], []],
  ])('offers %s', (_, words, wanted) => {
    expect(offered(...words)).toEqual(wanted);
  });

  it('knows every command of the help, and every option of each', () => {
    const main = join(project, 'dist/main.js');
    const help = (
      ...words: string[]
    ): { commands: { name: string }[]; options: { flags: string }[] } =>
      JSON.parse(run(process.execPath, main, 'help', ...words, '--json'));
    const commands = help().commands.map(({ name }) => name);
    expect(commands.length).toBeGreaterThan(25);
    expect(offered('')).toEqual(commands.toSorted());
    for (const command of ['pack', 'install', 'verify']) {
      const flags = help(command).options.flatMap(
        ({ flags: each }) => each.match(/--?[a-z-]+/g) ?? [],
      );
      expect(offered(command, '-')).toEqual(flags.toSorted());
    }
  });
});

describe('when a user presses Tab in fish', () => {
  it.each([
    ['stowage stat', ['status']],
    ['stowage store pu', ['pull']],
    ['stowage lock --st', ['--store']],
    ['stowage sign --role ', ['approval', 'release']],
    ['stowage pack --from ', ['bundle-1/']],
    ['stowage lock stow', ['stowage yaml']],
    ['stowage override --by ', []],
    ['stowage plan chat@1.1', ['chat@1.1.0']],
    ['stowage rollback --to ', ['3']],
    ['stowage help errors part-d', ['part-damaged']],
    ['stowage validate --fi', ['--file']],
  ])('completes "%s"', (line, wanted) => {
    const said = run(
      'fish',
      '--no-config',
      '-c',
      'source $argv[1]; complete -C $argv[2]',
      script('fish'),
      line,
    );
    const words = said.split('\n').filter((each) => each !== '');
    expect(words.map((each) => each.split('\t')[0]).toSorted()).toEqual(wanted);
  });
});

describe('when a user presses Tab in zsh', () => {
  // A zsh on a pseudo-terminal, where `stowage` prints its arguments.
  const session = `zmodload zsh/zpty; zpty z zsh -f -i
zpty -w z "PS1=; autoload -U compinit; compinit -u -D; source $1; stowage() { [[ \\$1 = __complete ]] && { command stowage \\"\\$@\\"; return }; print -r -- \\"<\\$*>\\" }; print READY"
zpty -r z out '*READY*READY*'; zpty -w -n z $2$'\\t'; sleep 1; zpty -w -n z $'\\n'; zpty -r z out '*<*>*'
print -r -- \${\${out##*<}%%>*}`;

  it.each([
    ['stowage stat', 'status'],
    ['stowage store pu', 'store pull'],
    ['stowage trust sh', 'trust show'],
    ['stowage lock --st', 'lock --store'],
    ['stowage sign --role re', 'sign --role release'],
    ['stowage pack --from b', 'pack --from bundle-1'],
    ['stowage lock stow', 'lock stowage yaml'],
    ['stowage help err', 'help errors'],
    ['stowage help errors part-d', 'help errors part-damaged'],
    ['stowage plan chat@1.1', 'plan chat@1.1.0'],
    ['stowage install chat@1.1', 'install chat@1.1.0'],
    ['stowage rollback --to ', 'rollback --to 3'],
    ['stowage validate --fi', 'validate --file'],
  ])('completes "%s"', (line, wanted) => {
    expect(run('zsh', '-f', '-c', session, 'zsh', script('zsh'), line).trim()).toBe(wanted);
  });
});
