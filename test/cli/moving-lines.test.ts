import { describe, expect, it } from 'vitest';
import type { Reading } from '../../src/cli/meter.ts';
import { cells, cut, movingLines } from '../../src/cli/moving-progress.ts';

const half: Reading = {
  share: 0.5,
  amount: '1.50 GiB of 3.00 GiB',
  rate: '210.0 MiB/s',
  left: '7 s left',
  subject: 'part 3 of 60 on disc-1-of-2',
};

describe('when progress is drawn', () => {
  it('shows the bar and time left above; amount, rate, part and disc below', () => {
    expect(movingLines('verify: 60 parts', half, 77)).toEqual([
      'verify: 60 parts  [===============>              ]   50 %  7 s left',
      '  1.50 GiB of 3.00 GiB  210.0 MiB/s  part 3 of 60 on disc-1-of-2',
    ]);
  });

  it('omits what does not fit, the least important first', () => {
    const at = (columns: number): string[] => movingLines('verify: 60 parts', half, columns);
    expect(at(57)).toEqual([
      'verify: 60 parts  [==========>         ]   50 %  7 s left',
      '  1.50 GiB of 3.00 GiB  210.0 MiB/s',
    ]);
    expect(at(37)).toEqual([
      'verify: 60 parts   50 %  7 s left',
      '  1.50 GiB of 3.00 GiB  210.0 MiB/s',
    ]);
    expect(at(20)).toEqual(['verify: 60 ..   50 %']);
    expect(at(8)).toEqual(['veri..']);
  });

  it.each([1, 2, 5, 8, 13, 20, 27, 37, 39, 57, 77, 97, 117, 197])(
    'is never wider than %i columns',
    (columns) => {
      const long = {
        ...half,
        subject: 'part 12345 of 67890 on disc-12-of-34',
        left: '12 h 05 min left',
      };
      const { amount } = half;
      const share = 0.5;
      for (const step of [
        '',
        'pull',
        'resolve model: hf://organisation/a-name-that-has-no-end@main',
        '重'.repeat(90),
      ])
        for (const reading of [
          undefined,
          half,
          long,
          { share, amount },
          { share: 1, amount },
          { share: 0, amount },
        ])
          for (const line of movingLines(step, reading, columns))
            expect(cells(line), line).toBeLessThanOrEqual(columns);
    },
  );

  it('shows no bar while waiting', () => {
    expect(movingLines('gate service: chat', { amount: '30 s of 1 min 30 s' }, 77)).toEqual([
      'gate service: chat  30 s of 1 min 30 s',
    ]);
  });

  it('fills the bar from start to end', () => {
    const at = (share: number): string | undefined =>
      /\[.*\]/.exec(movingLines('x', { share, amount: '' }, 40)[0] ?? '')?.[0];
    expect(at(0)).toMatch(/^\[> +\]$/);
    expect(at(1)).toMatch(/^\[=+\]$/);
    for (const share of [0, 0.01, 0.33, 0.99, 1])
      expect(at(share)).toHaveLength(at(0)?.length ?? 0);
  });
});

describe('when text is measured', () => {
  it.each([
    ['', 0],
    ['part', 4],
    ['é', 1],
    ['e\u0301', 1],
    ['模型', 4],
    ['🙂', 2],
    ['✔', 1],
  ])('takes %j for %i columns', (text, count) => {
    expect(cells(text)).toBe(count);
  });

  it.each([
    ['abcdef', 6, 'abcdef'],
    ['abcdef', 5, 'abc..'],
    ['abcdef', 2, '..'],
    ['abcdef', 1, '.'],
    ['abcdef', 0, ''],
    ['模型模型', 7, '模型..'],
  ])('cuts %j to %i columns', (text, columns, kept) => {
    expect(cut(text, columns)).toBe(kept);
  });
});
