import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { sriHex, sriOf } from '../../../src/core/digest.ts';
import { canonicalBytes, type Json } from '../../../src/core/json.ts';
import { writeCanonical } from '../../../src/format/document.ts';
import { type LedgerEvent, ledgerEntryKind } from '../../../src/format/ledger.ts';
import { Ledger } from '../../../src/site/ledger/ledger.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';

const now = new Date('2026-11-21T10:00:00Z');
const trusted = (version: number): LedgerEvent => ({
  kind: 'trusted',
  version,
  digest: 'a'.repeat(128),
});

const scratch = scratchFolder();
let path: string;

async function written(entries: number): Promise<Ledger> {
  const ledger = await Ledger.open(path);
  for (let version = 1; version <= entries; version += 1)
    await ledger.append(trusted(version), now);
  return ledger;
}

beforeEach(() => {
  path = scratch.fresh('ledger');
});

describe('when a ledger has entries of version 1', () => {
  /** A ledger as the first release wrote it. */
  function writtenV1(): void {
    let previous = '0'.repeat(128);
    const lines = [1, 2].map((number) => {
      const entry = { number, at: '2026-11-20T10:00:00Z', previous, event: trusted(number) };
      const line = canonicalBytes(entry as unknown as Json);
      previous = sriHex(sriOf(line));
      return line;
    });
    writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
    writeFileSync(`${path}.head`, canonicalBytes({ number: 2, digest: previous }));
  }

  it('verifies them by their own bytes, and goes on with entries that name the user', async () => {
    writtenV1();
    const before = readFileSync(path);
    const ledger = await Ledger.open(path, [], { uid: 0, sudoUser: 'alice' });
    expect(ledger.entries.map(({ by }) => by)).toEqual([undefined, undefined]);
    await ledger.append(trusted(3), now);
    expect(readFileSync(path).subarray(0, before.length)).toEqual(before);
    const { entries, head } = await Ledger.read(path);
    expect(entries.map(({ schema }) => schema)).toEqual(Array(3).fill('stowage/ledger-entry/v2'));
    expect(entries[2]?.by).toEqual({ uid: 0, sudoUser: 'alice' });
    expect(head.number).toBe(3);
  });

  it('refuses a changed one', async () => {
    writtenV1();
    writeFileSync(path, readFileSync(path, 'utf8').replace('"version":1', '"version":9'));
    await expectCode(() => Ledger.open(path), 'state-damaged');
  });
});

describe('when a ledger is written', () => {
  it('begins empty and returns what was appended', async () => {
    expect((await Ledger.open(path)).entries).toEqual([]);
    await written(3);
    const read = await Ledger.open(path);
    expect(read.entries.map((entry) => entry.number)).toEqual([1, 2, 3]);
    expect(read.entries.map((entry) => entry.event)).toEqual([1, 2, 3].map(trusted));
    expect(read.head.number).toBe(3);
  });

  it('knows at once what was appended', async () => {
    const ledger = await written(2);
    expect(ledger.entries.map((entry) => entry.event)).toEqual([1, 2].map(trusted));
    expect(ledger.head.number).toBe(2);
  });

  it('removes an incomplete last line after a power failure', async () => {
    await written(2);
    const whole = readFileSync(path);
    appendFileSync(path, '{"at":"2026-');
    expect((await Ledger.open(path)).entries).toHaveLength(2);
    expect(readFileSync(path)).toEqual(whole);
  });

  it('is not written to when it is opened as it should be', async () => {
    await written(2);
    const places = [path, `${path}.head`];
    const before = places.map((each) => statSync(each).ino);
    await Ledger.open(path);
    expect(places.map((each) => statSync(each).ino)).toEqual(before);
  });

  it('accepts an entry that was written just before its head', async () => {
    await written(2);
    copyFileSync(`${path}.head`, `${path}.kept`);
    await (await Ledger.open(path)).append(trusted(3), now);
    copyFileSync(`${path}.kept`, `${path}.head`);
    expect((await Ledger.open(path)).entries).toHaveLength(3);
    expect((await Ledger.open(path)).head.number).toBe(3);
  });

  it('keeps an entry that it accepted', async () => {
    await written(2);
    const [before, head] = [readFileSync(path), readFileSync(`${path}.head`)];
    await (await Ledger.open(path)).append(trusted(3), now);
    writeFileSync(`${path}.head`, head);
    await Ledger.open(path);
    writeFileSync(path, before);
    await expectCode(() => Ledger.open(path), 'state-damaged');
  });
});

describe('when a ledger is tampered with', () => {
  const tamperings: readonly [string, () => void][] = [
    ['is deleted', () => rmSync(path)],
    ['is emptied', () => truncateSync(path)],
    ['loses its last entry', () => writeFileSync(path, lines().slice(0, 3).join(''))],
    ['loses its first entry', () => writeFileSync(path, lines().slice(1).join(''))],
    ['loses an entry between', () => writeFileSync(path, lines().toSpliced(1, 1).join(''))],
    ['has two entries exchanged', () => writeFileSync(path, exchanged().join(''))],
    ['has an entry twice', () => writeFileSync(path, [...lines(), lines()[3]].join(''))],
    [
      'has a value edited',
      () => writeFileSync(path, lines().join('').replace('"version":2', '"version":9')),
    ],
    [
      'has its last value edited',
      () => writeFileSync(path, lines().join('').replace('"version":4', '"version":9')),
    ],
    ['has spaces added', () => writeFileSync(path, lines().join('').replace('{', '{ '))],
    ['loses its head', () => rmSync(`${path}.head`)],
    ['has its head edited', () => writeFileSync(`${path}.head`, '{"digest":"","number":4}')],
  ];
  const lines = (): string[] => readFileSync(path, 'utf8').match(/.*\n/g) ?? [];
  const exchanged = (): string[] => {
    const [first = '', second = '', ...rest] = lines();
    return [second, first, ...rest];
  };

  it.each(tamperings)('is refused when it %s', async (_, tamper) => {
    await written(4);
    tamper();
    await expectCode(() => Ledger.open(path), 'state-damaged');
  });

  it('is refused with a number left out, though the chain is whole', async () => {
    const { head } = await written(2);
    const schema = 'stowage/ledger-entry/v2' as const;
    const entry = { schema, number: 4, at: '2026-11-21T10:00:00Z', previous: head.digest };
    const line = writeCanonical(ledgerEntryKind, { ...entry, event: trusted(3) });
    appendFileSync(path, `${line}\n`);
    const error = await expectCode(() => Ledger.open(path), 'state-damaged');
    expect(error.found).toBe('entry 4');
  });

  it.each(['', '.head'])('is not taken for a new one when ledger%s cannot be read', async (end) => {
    await written(2);
    rmSync(`${path}${end}`);
    mkdirSync(`${path}${end}`);
    await expectCode(() => Ledger.open(path), 'state-damaged');
  });

  it.each([
    ['the time of the first', 1, (text: string) => text.replace('10:00:00', '10:00:01')],
    ['the time of the second', 2, (text: string) => text.replace('10:00:00', '10:00:01')],
    ['the time of the last', 4, (text: string) => text.replace('10:00:00', '10:00:01')],
    [
      'what the third records of the second',
      3,
      (text: string) => text.replace(/("previous":")./, (_, start: string) => `${start}x`),
    ],
    [
      'a digit of what the third records of the second',
      3,
      (text: string) =>
        text.replace(/("previous":")(.)/, (_, a: string, b: string) => a + (b === '0' ? '1' : '0')),
    ],
    ['the third to no JSON', 3, () => '{'],
  ])('names the changed entry, with %s changed', async (_, number, change) => {
    await written(4);
    const lines = readFileSync(path, 'utf8').split('\n');
    lines[number - 1] = change(lines[number - 1] ?? '');
    writeFileSync(path, lines.join('\n'));
    const { message, expected } = await expectCode(() => Ledger.read(path), 'state-damaged');
    expect(`${message}: ${expected}`).toMatch(new RegExp(`\\bentry ${number}\\b`));
  });

  it('is refused with every byte of it changed', async () => {
    await written(2);
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at += 1) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      writeFileSync(path, bytes);
      // The digit of the version, made a 3, reads as a newer format.
      const isVersion = whole.toString('latin1', at - 1, at + 2) === 'v2"';
      const code = isVersion ? 'format-newer' : 'state-damaged';
      await expect(Ledger.open(path), `byte ${at}`).rejects.toMatchObject({ code });
    }
  });

  it('is refused when an old copy of ledger and head is put back and a receipt remembers more', async () => {
    await written(2);
    copyFileSync(path, `${path}.old`);
    copyFileSync(`${path}.head`, `${path}.head.old`);
    const ledger = await Ledger.open(path);
    await ledger.append(trusted(3), now);
    copyFileSync(`${path}.old`, path);
    copyFileSync(`${path}.head.old`, `${path}.head`);
    expect((await Ledger.open(path)).entries).toHaveLength(2);
    await expectCode(() => Ledger.open(path, [ledger.head]), 'state-damaged');
  });
});
