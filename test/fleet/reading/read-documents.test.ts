import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { StowageError } from '../../../src/core/error.ts';
import { readDocuments } from '../../../src/fleet/reading/read-documents.ts';
import { type ReadingTask, resultOf } from '../../../src/fleet/reading/reading-task.ts';
import { readCanonical, writeCanonical } from '../../../src/format/document.ts';
import { type Receipt, receiptKind } from '../../../src/format/receipt.ts';
import {
  signed,
  simulatedReleases,
  simulateSites,
  siteSignerOf,
  writeDocuments,
} from '../../lab/simulated-fleet.ts';
import { packedAt } from '../../support/context.ts';
import { expectCode } from '../../support/error.ts';
import { scratchFolder } from '../../support/scratch.ts';

const scratch = scratchFolder(true);
const [site] = simulateSites({
  ...{ seed: 1, sites: 1, receipts: 20, faulty: 0, until: packedAt },
  releases: simulatedReleases(4),
});
const files = writeDocuments(scratch.fresh('home'), site?.documents ?? []);
const taskOf = (file: string): ReadingTask => ({ file });

/** What is read of each file, in the order in which it comes: its time, or why it cannot be read. */
async function read(wanted: readonly string[], signal?: AbortSignal): Promise<string[]> {
  const found: string[] = [];
  for await (const [file, result] of readDocuments(
    wanted,
    taskOf,
    signal ?? new AbortController().signal,
  )) {
    expect(file).toBe(wanted[found.length]);
    try {
      found.push(resultOf(result).document.at);
    } catch (error) {
      if (!(error instanceof StowageError)) throw error;
      found.push(error.code);
    }
  }
  return found;
}

/** So many files, over and over the same. */
const repeated = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => files[at % files.length] ?? '');

describe('when documents of sites are read', () => {
  // Threads start with the 401st.
  it.each([0, 1, 400, 401, 465])('reads %i in their order', async (count) => {
    const times = await read(files);
    expect(new Set(times).size).toBe(files.length);
    expect(await read(repeated(count))).toEqual(
      Array.from({ length: count }, (_, at) => times[at % times.length]),
    );
  });

  it.each([20, 500])('says of each of %i why it cannot be read', async (count) => {
    const place = scratch.fresh('bad');
    const names = repeated(count).map((file, at) => {
      const stem = join(place, String(at).padStart(4, '0'));
      cpSync(file, `${stem}.json`);
      cpSync(file.replace('.json', '.p7s'), `${stem}.p7s`);
      return `${stem}.json`;
    });
    rmSync(names[3] ?? '');
    rmSync(names[5]?.replace('.json', '.p7s') ?? '');
    cpSync(files[8] ?? '', names[7] ?? '');
    const found = await read(names);
    expect(found).toHaveLength(count);
    expect([found[3], found[5], found[7]]).toEqual([
      ...['file-missing', 'file-missing', 'signature-invalid'],
    ]);
    expect(found.filter((each) => each.includes('-') && !/^\d/.test(each))).toHaveLength(3);
  });

  it.each([
    ['at the limit of what is read ahead', 256 * 1024],
    ['above it', 256 * 1024 + 1],
  ])('reads a document %s in its place', async (_, size) => {
    const signer = siteSignerOf('site-00000', packedAt);
    const [small] = site?.documents ?? [];
    const receipt = readCanonical(receiptKind, small?.bytes ?? Buffer.alloc(0));
    const labels = (length: number): Receipt => ({
      ...receipt,
      host: { ...receipt.host, labels: { note: 'x'.repeat(length) } },
    });
    const empty = writeCanonical(receiptKind, labels(0)).length;
    const large = signed(labels(size - empty), signer, packedAt.getTime());
    expect(large.bytes).toHaveLength(size);
    const [file = ''] = writeDocuments(scratch.fresh('large'), [large]);
    const wanted = repeated(500);
    wanted[450] = file;
    const found = await read(wanted);
    expect(found[450]).toBe(receipt.at);
    expect(found).toHaveLength(500);
  });

  it.each([20, 900])('ends at once with %i left when it is interrupted', async (count) => {
    const controller = new AbortController();
    controller.abort();
    await expectCode(() => read(repeated(count), controller.signal), 'interrupted');
  });

  it('ends its threads when nobody asks on', async () => {
    const reading = readDocuments(repeated(900), taskOf, new AbortController().signal);
    const first = await reading.next();
    expect(first.done).toBe(false);
    await reading.return(undefined);
    expect((await reading.next()).done).toBe(true);
  });
});
