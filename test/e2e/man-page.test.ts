import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { everyOutline, outlineOf } from '../../src/cli/completion/outline.ts';
import { everyGroup } from '../../src/cli/every-group.ts';
import { createProgram } from '../../src/cli/program.ts';

const page = fileURLToPath(new URL('../../dist/man/stowage.1', import.meta.url));

describe('when the man page is displayed', () => {
  it.each([
    ['groff', ['-ww', '-man', '-Tutf8', page]],
    ['mandoc', ['-Tlint', '-Wwarning', page]],
  ])('causes no warnings by %s', (command, args) => {
    const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
    const warnings = `${stderr}${stdout}`.match(/.*(?:warning|error|unsupp):.*/gi) ?? [];
    // It has no date, so that it is reproducible.
    expect(warnings.filter((line) => !line.includes('missing date'))).toEqual([]);
  });

  it('documents every command and every option', () => {
    const { stdout } = spawnSync('mandoc', ['-Tascii', '-Owidth=200', page], { encoding: 'utf8' });
    const text = stdout.replace(/.\x08/g, '');
    const outline = outlineOf(createProgram(process, async () => {}, everyGroup));
    const all = everyOutline(outline).filter(
      ({ path, commands }) => path !== '' && commands.length === 0,
    );
    expect(all.length).toBeGreaterThan(35);
    for (const { path, options } of all) {
      expect(text).toMatch(new RegExp(`^ +stowage ${path}( |$)`, 'm'));
      for (const { long } of options) if (long !== '--help') expect(text, path).toContain(long);
    }
  });
});
