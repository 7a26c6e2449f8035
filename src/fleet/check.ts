import { readdir } from 'node:fs/promises';
import { relative } from 'node:path';
import type { Context } from '../core/context.ts';
import { ioError } from '../io/file.ts';
import type { FleetFolder } from './fleet-folder.ts';
import { readRecorded } from './index/applying.ts';
import { withIndex } from './index/fleet-index.ts';
import { signatureOf } from './site-document.ts';

/** A document of a fleet that does not hold. */
export interface FleetDefect {
  /** Relative to the folder of the fleet. */
  readonly path: string;
  readonly text: string;
}

export interface FleetCheck {
  readonly entries: number;
  readonly documents: number;
  readonly defects: readonly FleetDefect[];
}

/** The folders whose files must be recorded. */
const PLACES = [
  'trust',
  'sites',
  'handovers',
  'releases',
  'promotions',
  'recalls',
  'advisories',
  'dispatches',
  'receipts',
  'ledger',
];

/**
 * Reads every document of a fleet again, verifies it, and builds the index anew.
 * @throws StowageError `fleet-damaged` for a ledger that is not as it was written
 */
export async function checkFleet(folder: FleetFolder, context: Context): Promise<FleetCheck> {
  // A fleet whose settings cannot be read must not look sound.
  await folder.settings();
  return withIndex(folder, { ...context, rebuild: true }, async ({ database }) => {
    const recorded = database.all<{ path: string; sha512: string }>(
      'SELECT path, sha512 FROM file ORDER BY path',
    );
    const defects: FleetDefect[] = database.all<FleetDefect>('SELECT path, text FROM defect');
    const known = new Set(defects.map(({ path }) => path));
    for (const each of recorded) {
      if (isOfSite(each.path) || known.has(each.path)) continue;
      const text = await readRecorded(each, folder).then(
        () => undefined,
        (error: Error) => error.message,
      );
      if (text !== undefined) defects.push({ path: each.path, text });
    }
    const expected = new Set([
      ...recorded.flatMap(({ path }) => (isOfSite(path) ? [path, signatureOf(path)] : [path])),
      ...database
        .all<{ digest: string }>('SELECT digest FROM entry')
        .map(({ digest }) => `ledger/${digest}.json`),
    ]);
    for (const path of await filesOf(folder))
      if (!expected.has(path)) defects.push({ path, text: 'no command recorded this file' });
    const entries = database.first<{ count: number }>('SELECT count(*) AS count FROM entry');
    return {
      entries: entries?.count ?? 0,
      documents: recorded.length,
      defects: defects.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    };
  });
}

/** The index has read these already. */
function isOfSite(path: string): boolean {
  return path.startsWith('receipts/') || path.startsWith('handovers/');
}

async function filesOf(folder: FleetFolder): Promise<string[]> {
  const found: string[] = [];
  for (const place of PLACES) {
    try {
      const entries = await readdir(folder.path(place), { recursive: true, withFileTypes: true });
      for (const each of entries)
        if (!each.isDirectory())
          found.push(relative(folder.root, `${each.parentPath}/${each.name}`));
    } catch (error) {
      const failure = ioError(error, folder.path(place));
      if (!(failure instanceof Error && 'code' in failure && failure.code === 'file-missing'))
        throw failure;
    }
  }
  return found;
}
