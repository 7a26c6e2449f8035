import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { commandContext } from '../../../src/cli/command.ts';
import { confirmFingerprint } from '../../../src/cli/commands/confirm.ts';
import { context } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { fakeTerminal, personScreen, runProgram } from '../../support/fake-terminal.ts';
import { scratchFolder } from '../../support/scratch.ts';
import { makeAuthority } from '../../support/small-bundle.ts';

const scratch = scratchFolder();
const { trust, root } = makeAuthority();
const { fingerprint } = root;
const given = { trust, fingerprint, subject: root.subject };
const right = fingerprint.slice(-16);
const wrong = right.startsWith('0') ? `1${right.slice(1)}` : `0${right.slice(1)}`;

/** Asks a person who types each answer when the next question has been asked. */
async function confirm(
  answers: readonly string[],
  person = true,
): Promise<{ confirmed: boolean; shown: string; error?: unknown }> {
  const stdin = Object.assign(new PassThrough(), { isTTY: person });
  const stderr = personScreen();
  const left = [...answers];
  let shown = '';
  stderr.on('data', (chunk: Buffer) => {
    shown += chunk.toString();
    if (shown.endsWith(': ') && left.length > 0) stdin.write(`${left.shift()}\n`);
  });
  const { terminal } = fakeTerminal('/', { stdin, stderr });
  try {
    const asked = commandContext(terminal, context());
    return { confirmed: await confirmFingerprint(given, undefined, asked), shown };
  } catch (error) {
    return { confirmed: false, shown, error };
  }
}

describe('when a person types the digits of a fingerprint', () => {
  it.each([
    ['the last 16', [right]],
    ['all of them, in groups', [fingerprint.toUpperCase().replace(/..(?=.)/g, '$&:')]],
    ['too few at first', [right.slice(1), right]],
    ['others at first, twice', [wrong, 'yes', right]],
  ])('accepts %s', async (_, answers) => {
    expect((await confirm(answers)).confirmed).toBe(true);
  });

  it.each([
    ['nothing, three times', ['', '', '']],
    ['too few, three times', [right.slice(1), right.slice(1), right.slice(1), right]],
    ['one digit more than there are', [`0${fingerprint}`, '', '']],
  ])('refuses %s', async (_, answers) => {
    expect(await confirm(answers)).toEqual({ confirmed: false, shown: expect.any(String) });
  });

  it.each([
    ['others, three times', [wrong, wrong, wrong, right]],
    ['the first 16', [fingerprint.slice(0, 16), '', '']],
  ])('tells %s from no digits, and does not show the right ones', async (_, answers) => {
    const { error } = await confirm(answers);
    expect(error).toMatchObject({
      code: 'trust-unconfirmed',
      hint: expect.stringContaining('stop and ask the security officer'),
    });
    expect(JSON.stringify(error)).not.toContain(right);
  });

  it('says what was wrong with each answer, and not what is right', async () => {
    const { shown } = await confirm(['12:34', wrong, 'yes']);
    expect(shown).toContain('4 digits given, 16 needed; 2 tries left');
    expect(shown).toContain('these digits do not match; 1 try left');
    expect(shown).not.toContain(right);
  });

  it('refuses without a terminal', async () => {
    expect(await confirm([], false)).toEqual({ confirmed: false, shown: '' });
  });
});

describe('when a fingerprint is given as an option', () => {
  it('shows another one beside that of the certificate, and says to stop', async () => {
    const { terminal } = fakeTerminal('/');
    const other = `${wrong}${fingerprint.slice(16)}`;
    const error = await expectCode(
      () => confirmFingerprint(given, other, commandContext(terminal, context())),
      'trust-unconfirmed',
    );
    expect(error).toMatchObject({
      message: `the fingerprint of ${root.subject} does not match`,
      expected: other,
      found: fingerprint,
    });
    expect(error.hint).toContain('stop and ask the security officer');
  });

  const sixteen = fingerprint.slice(-16);

  it.each([
    ['import', ['import', 'bundle', '--fingerprint', sixteen], '16 digits given, 64 needed'],
    ['install', ['install', 'bundle', '--fingerprint', sixteen], '16 digits given, 64 needed'],
    ['trust apply', ['trust', 'apply', 'file', '--fingerprint', ''], '0 digits given, 64 needed'],
    ['receipt show', ['receipt', 'show', '--fingerprint', 'yes'], 'is not a hexadecimal digit'],
  ])('is refused by %s unless it has 64 digits', async (_, args, text) => {
    const ran = await runProgram(args, scratch.root);
    expect(ran.status).toBe(2);
    expect(ran.stderr).toContain(text);
  });
});
