import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSpans, SpanJournal } from '../../src/io/span-journal.ts';
import { Spans } from '../../src/io/spans.ts';
import { temporaryFolder } from '../support/folder.ts';

const root = temporaryFolder();
let places = 0;
const fresh = (): string => join(root, String(places++));

describe('when ranges are recorded', () => {
  it('reads back the recorded ranges, and continues', async () => {
    const path = fresh();
    const journal = await SpanJournal.open(path, new Spans([{ start: 0, end: 5 }]));
    await journal.add({ start: 10, end: 20 });
    await journal.add({ start: 5, end: 7 });
    await journal.close();
    const read = await readSpans(path, 20);
    expect([...(read ?? [])]).toEqual([
      { start: 0, end: 7 },
      { start: 10, end: 20 },
    ]);
    await (await SpanJournal.open(path, read ?? new Spans())).close();
    expect(await readFile(path, 'utf8')).toBe('0 7\n10 20\n');
  });

  it('reads nothing if there is no journal', async () => {
    expect(await readSpans(fresh(), 9)).toBeUndefined();
  });

  it.each([
    ['a line cut short by a kill', '0 4\n4 10485', [[0, 4]]],
    ['bytes that the file does not have', '0 4\n4 90\n', [[0, 4]]],
    ['words', '0 4\nfour five\n4 5\n', [[0, 4]]],
    ['an end before its start', '0 4\n9 5\n', [[0, 4]]],
    ['nothing', '', []],
  ])('believes it no further than %s', async (_, text, spans) => {
    const path = fresh();
    await writeFile(path, text);
    const read = await readSpans(path, 20);
    expect([...(read ?? [])].map(({ start, end }) => [start, end])).toEqual(spans);
  });
});
