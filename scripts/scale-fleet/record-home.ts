import { linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { signatureOf } from '../../src/bundle/signed-document.ts';
import { sriHex, sriOf } from '../../src/core/digest.ts';
import type { ChangeOptions } from '../../src/fleet/change.ts';
import type { FleetFolder } from '../../src/fleet/fleet-folder.ts';
import { headsOf, withIndex } from '../../src/fleet/index/fleet-index.ts';
import { runReading } from '../../src/fleet/reading/reading-task.ts';
import { entryPath } from '../../src/fleet/record.ts';
import { type VerifiedDocument, verifiedReceipt } from '../../src/fleet/verified-document.ts';
import { readCanonical, writeCanonical } from '../../src/format/document.ts';
import { momentOf } from '../../src/format/field.ts';
import { type FleetEntry, fleetEntryKind } from '../../src/format/fleet.ts';
import { receiptKind } from '../../src/format/receipt.ts';
import { type Corpus, documentsOf, type Planted, plantedIn } from './corpus.ts';

const BATCH = 2000;

/**
 * Puts the receipts of a corpus into a fleet as `take` would have, by hard links, without verifying them.
 * @param indexed whether they are in the index at once, as if they had been verified; otherwise the index is left to whoever asks next
 * @returns how many there are
 */
export async function recordHome(
  corpus: Corpus,
  folder: FleetFolder,
  { indexed, ...options }: ChangeOptions & { readonly indexed: boolean },
): Promise<number> {
  let heads = await withIndex(folder, options, async ({ database }) => headsOf(database));
  let files: FleetEntry['files'][number][] = [];
  let verified = new Map<string, VerifiedDocument>();
  let count = 0;
  const flush = async (): Promise<void> => {
    const bytes = writeCanonical(fleetEntryKind, {
      schema: 'stowage/fleet-entry/v1',
      ...{ at: momentOf(options.now()), previous: heads, by: options.by, action: 'take' },
      subject: `${files.length} documents`,
      files,
    });
    const digest = sriHex(sriOf(bytes));
    writeFileSync(folder.path(entryPath(digest)), bytes);
    if (indexed) await withIndex(folder, { ...options, verified }, async () => {});
    heads = [digest];
    count += files.length;
    files = [];
    verified = new Map();
  };
  for (const planted of plantedIn(corpus))
    for (const [file, document] of documentsIn(corpus, planted)) {
      const { kind, site, at } = document;
      const sha512 = sriHex(sriOf(readFileSync(file)));
      const path = `${kind}s/${site}/${at.replaceAll(':', '')}-${sha512.slice(0, 32)}.json`;
      const place = folder.path(path);
      mkdirSync(dirname(place), { recursive: true });
      linkSync(file, place);
      linkSync(signatureOf(file), signatureOf(place));
      files.push({ path, sha512 });
      verified.set(path, document);
      if (files.length === BATCH) await flush();
    }
  if (files.length > 0) await flush();
  return count;
}

/** The documents of a site that are intact. Where no key changes and nothing is damaged, only the first one is verified. */
function* documentsIn(
  corpus: Corpus,
  { name, fault }: Planted,
): Generator<readonly [string, VerifiedDocument]> {
  const mustVerify = fault === 'old-key' || fault === 'damaged';
  let first: VerifiedDocument | undefined;
  for (const file of documentsOf(corpus, name)) {
    if (first !== undefined && !mustVerify) {
      const receipt = readCanonical(receiptKind, readFileSync(file));
      yield [file, verifiedReceipt(receipt, first.key)];
      continue;
    }
    const read = runReading({ file });
    if ('failure' in read) continue;
    first ??= read.document;
    yield [file, read.document];
  }
}
