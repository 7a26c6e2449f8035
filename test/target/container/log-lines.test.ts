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

  it('is empty for nothing', () => {
    expect(mergeLog('', '', 5)).toBe('');
  });
});
