import { linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { sriHex, sriOf } from '../../src/core/digest.ts';
import type { ChangeOptions } from '../../src/fleet/change.ts';
import type { FleetFolder } from '../../src/fleet/fleet-folder.ts';
import { headsOf, withIndex } from '../../src/fleet/index/fleet-index.ts';
import { runReading } from '../../src/fleet/reading/reading-task.ts';
import { entryPath } from '../../src/fleet/record.ts';
import { signatureOf } from '../../src/fleet/site-document.ts';
import { writeCanonical } from '../../src/format/document.ts';
import { momentOf } from '../../src/format/field.ts';
import { type FleetEntry, fleetEntryKind } from '../../src/format/fleet.ts';
import { type Corpus, documentsOf, plantedIn } from './corpus.ts';

const BATCH = 2000;

/**
 * Puts the receipts of a corpus into a fleet as `take` would have, by hard links, without verifying them: the index of a million
 * can be built without taking a million first.
 */
export async function recordHome(
  corpus: Corpus,
  folder: FleetFolder,
  options: ChangeOptions,
): Promise<number> {
  const damaged = new Set<string>();
  for (const { name, fault } of plantedIn(corpus)) if (fault === 'damaged') damaged.add(name);
  let heads = await withIndex(folder, options, async ({ database }) => headsOf(database));
  let files: FleetEntry['files'][number][] = [];
  let count = 0;
  const flush = (): void => {
    const bytes = writeCanonical(fleetEntryKind, {
      schema: 'stowage/fleet-entry/v1',
      ...{ at: momentOf(options.now()), previous: heads, by: options.by, action: 'take' },
      subject: `${files.length} documents`,
      files,
    });
    const digest = sriHex(sriOf(bytes));
    writeFileSync(folder.path(entryPath(digest)), bytes);
    heads = [digest];
    count += files.length;
    files = [];
  };
  for (const file of documentsOf(corpus)) {
    const site = dirname(file).split('/').at(-1) ?? '';
    if (damaged.has(site) && 'failure' in runReading({ file })) continue;
    const bytes = readFileSync(file);
    const { schema, at } = JSON.parse(bytes.toString()) as { schema: string; at: string };
    const kind = schema.startsWith('stowage/receipt/') ? 'receipts' : 'handovers';
    const sha512 = sriHex(sriOf(bytes));
    const path = `${kind}/${site}/${at.replaceAll(':', '')}-${sha512.slice(0, 32)}.json`;
    const place = folder.path(path);
    mkdirSync(dirname(place), { recursive: true });
    linkSync(file, place);
    linkSync(signatureOf(file), signatureOf(place));
    files.push({ path, sha512 });
    if (files.length === BATCH) flush();
  }
  if (files.length > 0) flush();
  return count;
}
