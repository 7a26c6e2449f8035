import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { screenText } from '../support/screen-text.ts';

const work = fileURLToPath(new URL('../support/long-work.ts', import.meta.url));

/** Runs a line of shell on a pseudo-terminal of 60 columns, and types when something was shown. */
async function typed(
  line: string,
  keys: readonly (readonly [shown: RegExp, keys: string])[],
): Promise<string> {
  const script = spawn(
    'script',
    ['-qec', `trap : INT; stty cols 60 rows 20; ${line}`, '/dev/null'],
    {
      env: { PATH: process.env['PATH'], SHELL: '/bin/sh', TERM: 'xterm', LANG: 'C.UTF-8', CI: '' },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  let shown = '';
  const left = [...keys];
  script.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    const [next] = left;
    if (next === undefined || !next[0].test(shown)) return;
    left.shift();
    script.stdin.write(next[1]);
  });
  const last = setTimeout(() => script.kill('SIGKILL'), 30_000);
  await once(script, 'close');
  clearTimeout(last);
  return shown;
}

const program = `${process.execPath} ${work} work`;
const MOVED = /\[=+> +\]/;

describe('when work on a terminal is interrupted by Ctrl-C', () => {
  it('exits with 130 and a hint, on a clean line, with cursor and echo unchanged', async () => {
    const shown = await typed(`${program}; echo "status $?"; stty -a`, [[MOVED, '\u0003']]);
    expect(shown).toContain('status 130');
    expect(shown).toMatch(/ echo .*/);
    expect(shown).not.toMatch(/\u001b\[\?25l/);
    const stands = screenText(shown, 60);
    const at = stands.findIndex((line) => line.startsWith('✖'));
    expect(stands.slice(at - 1, at + 4)).toEqual([
      '✔ verify signatures',
      expect.stringMatching(/^✖ verify: 60 parts/),
      'stowage: error: interrupted [interrupted]',
      expect.stringMatching(/^ {2}hint: run the same command again/),
      'status 130',
    ]);
  });
});

describe('when the terminal becomes narrower', () => {
  it('redraws for the new width and leaves one line', async () => {
    const shown = await typed(`(sleep 2; stty cols 30 </dev/tty) & ${program}`, []);
    expect(shown).toMatch(MOVED);
    // There is no room for a bar any more.
    const rest = shown.slice(shown.indexOf('\u001b[?2026h', shown.lastIndexOf('>')));
    expect(rest).toMatch(/verify: 60 parts +\d+ %/);
    for (const line of rest.slice(0, rest.indexOf('✔')).split(/[\r\n]+/))
      expect(line.replace(/\u001b\[\??\d*[A-Za-z]/g, '').length).toBeLessThan(30);
    expect(screenText(rest, 30).join('')).toMatch(/^✔ verify: 60 parts {2}80 B in ?\d+ ?sdone$/);
  });
});
