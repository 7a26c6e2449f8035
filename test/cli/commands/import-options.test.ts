import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { commandContext } from '../../../src/cli/command.ts';
import { askForDisc } from '../../../src/cli/commands/import-options.ts';
import { StowageError } from '../../../src/core/error.ts';
import { context } from '../../support/context.ts';
import { fakeTerminal, personScreen } from '../../support/fake-terminal.ts';

const missing = new StowageError(
  'bundle-incomplete',
  'chat 1.0.0 is not complete (2 of 5 discs seen)',
  {
    expected: 'discs 3, 4, 5 of 5: 30 parts, 99 B',
    hint: 'go on',
  },
);

/** Asks a person who types this. */
async function ask(answer: string, person = true): Promise<{ next?: string[]; shown: string }> {
  const stdin = Object.assign(new PassThrough(), { isTTY: person });
  const stderr = personScreen();
  const { terminal } = fakeTerminal('/home/op', { stdin, stderr });
  stdin.write(answer);
  const asked = commandContext(terminal, context());
  const next = await askForDisc(missing, ['/mnt/first', '/mnt/cdrom'], asked);
  const shown = String(stderr.read() ?? '');
  return { shown, ...(next && { next }) };
}

describe('when an installation needs the next disc', () => {
  it('shows what is missing, and reads the same drive on Enter', async () => {
    const { next, shown } = await ask('\n');
    expect(next).toEqual(['/mnt/cdrom']);
    expect(shown).toContain('2 of 5 discs seen');
    expect(shown).toContain('discs 3, 4, 5 of 5');
  });

  it.each([
    ['another folder\n', '/home/op/another folder'],
    ['  /mnt/usb  \n', '/mnt/usb'],
  ])('reads the typed path: %j', async (answer, place) => {
    expect((await ask(answer)).next).toEqual([place]);
  });

  it.each([
    ['Ctrl-C', '\u0003'],
    ['Ctrl-D', '\u0004'],
  ])('is interrupted by %s', async (_, key) => {
    await expect(ask(key)).rejects.toMatchObject({ code: 'interrupted' });
  });

  it('does not ask without a terminal', async () => {
    expect(await ask('', false)).toEqual({ shown: '' });
  });
});
