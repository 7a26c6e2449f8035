import { describe, expect, it } from 'vitest';
import { mergeLog } from '../../../src/target/container/log-lines.ts';

const out = '2026-11-21T02:42:05.555097455Z loading\n2026-11-21T02:42:06.7Z ready\n';
const err = '2026-11-21T02:42:05.56Z warning\n  with a second line\n2026-11-21T02:42:07Z \n';

describe('when two outputs are merged', () => {
  it('sorts the lines by time', () => {
    expect(mergeLog(out, err, 10)).toBe('loading\nwarning\n  with a second line\nready\n\n');
  });

  it('keeps the last ones', () => {
    expect(mergeLog(out, err, 2)).toBe('ready\n\n');
    expect(mergeLog(out, err, 0)).toBe('');
  });

  it('joins writes without a line break, as podman 4 prints them', () => {
    const at = (digits: string): string => `2026-11-21T02:42:0${digits}+01:00 `;
    const bar = `${at('5.555097455')}load 10%${at('5.655097455')}\rload 20%${at('5.7550974')}\rload 100%`;
    expect(mergeLog(`${bar}\n${at('6.1')}ready\n`, '', 10)).toBe(
      'load 10%\rload 20%\rload 100%\nready\n',
    );
  });

  it.each([
    'event at 2026-11-21T02:42:05Z of a client',
    'event at 2026-11-21T02:42:05.123Z of a client',
    '2026-11-21T02:42:05.555097455Z',
  ])('keeps a time that a program wrote: %s', (text) => {
    expect(mergeLog(`2026-11-21T02:42:05.555097455Z ${text}\n`, '', 10)).toBe(`${text}\n`);
  });

  it('is empty for nothing', () => {
    expect(mergeLog('', '', 5)).toBe('');
  });
});
