import { describe, expect, it } from 'vitest';
import { callsOf, commandsOfGuide, commandsOfPage } from './support/documents.ts';

const fenced = (language: string, ...lines: readonly string[]): string =>
  ['```'.concat(language), ...lines, '```', ''].join('\n');

describe('when commands are read from a page', () => {
  it('takes fenced shell alone, under its heading', () => {
    const page = `# One\n\n${fenced('yaml', 'a: b')}\n## Two\n\n${fenced('sh', 'a', 'b c')}${fenced('', 'd')}`;
    expect(commandsOfPage(page)).toEqual([
      { heading: 'Two', line: 10, commands: ['a', 'b c'], site: false, status: 0 },
    ]);
  });

  it('heeds the comments in the lines before a block, and no others', () => {
    const page = [
      '<!-- not run: far away -->',
      'Text in between.',
      fenced('sh', 'a'),
      '<!-- at the site -->',
      '<!-- status 1 -->',
      fenced('sh', 'b'),
      '<!-- not run: needs the Internet -->',
      '',
      fenced('sh', 'c'),
    ].join('\n');
    const [a, b, c] = commandsOfPage(page);
    expect(a).toMatchObject({ site: false, status: 0 });
    expect(a).not.toHaveProperty('notRun');
    expect(b).toMatchObject({ site: true, status: 1 });
    expect(c).toMatchObject({ notRun: 'needs the Internet' });
  });

  it.each([
    ['a backslash', ['a \\', '  b']],
    ['an open quotation', ["echo '", "x'"]],
    ['a here document', ['cat > f <<END', 'x', 'END']],
    ['a loop', ['for a in b; do', '  c', 'done']],
  ])('joins %s', (_, lines) => {
    const [block] = commandsOfPage(fenced('sh', 'first', ...lines, 'last'));
    expect(block?.commands).toEqual(['first', lines.join('\n'), 'last']);
  });

  it('passes over comments and empty lines', () => {
    const [block] = commandsOfPage(fenced('sh', '# why', '', 'a'));
    expect(block?.commands).toEqual(['a']);
  });
});

describe('when commands are read from a guide in plain text', () => {
  it('runs what is indented by four, and parses alone what is indented by six', () => {
    const guide = '1. FIRST\n\n    a\n\nText:\n\n      b\n\n   c\n\n2. SECOND\n\n    d e\n';
    expect(
      commandsOfGuide(guide).map(({ heading, commands, notRun }) => [heading, commands, notRun]),
    ).toEqual([
      ['1. FIRST', ['a'], undefined],
      ['1. FIRST', ['b'], 'for a case'],
      ['2. SECOND', ['d e'], undefined],
    ]);
  });
});

describe('when the calls of the program are read from a command', () => {
  it.each<[string, string[][]]>([
    ['stowage lock', [['lock']]],
    [
      'cd x && /usr/local/bin/stowage install . --trust "$ROOT"',
      [['install', '.', '--trust', '$ROOT']],
    ],
    [
      'stowage stream a | ssh b@c stowage import -',
      [
        ['stream', 'a'],
        ['import', '-'],
      ],
    ],
    ['stowage import - < /dev/nst0', [['import', '-']]],
    ['stowage sign a --passphrase-fd 3 3< <(cat f)', [['sign', 'a', '--passphrase-fd', '3']]],
    [
      `stowage override window --by "A. O" --until "$(date '+%F')"`,
      [['override', 'window', '--by', 'A. O', '--until', "$(date '+%F')"]],
    ],
    ['git clone X ~/stowage && cd ~/stowage', []],
    ['install -m 0755 stowage-linux-x64 /usr/local/bin/stowage', []],
    ['SITE=/var/lib/stowage', []],
    ['stowage lock    # where stowage is', [['lock']]],
  ])('%s', (command, calls) => {
    expect(callsOf(command)).toEqual(calls);
  });
});
