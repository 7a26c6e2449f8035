import type { Context } from '../../core/context.ts';
import { StowageError } from '../../core/error.ts';
import { canonicalBytes } from '../../core/json.ts';
import { openIn, readAdvisory } from '../../format/advisory.ts';
import { momentOf } from '../../format/field.ts';
import type { Verdict } from '../../format/verdicts.ts';
import type { ChangingFleet } from '../change.ts';
import { releaseBill } from '../fleet-folder.ts';
import { recordedFile } from '../index/database.ts';
import { factAt, type RecordedFact } from '../promote.ts';
import { type FactSigner, signedFact } from '../record-fact.ts';
import { readRecorded } from '../recorded-file.ts';
import type { FleetRelease } from '../releases.ts';
import { makeAdvisory } from './make-advisory.ts';
import { type Scanner, scanBill, scannerName } from './run-scanner.ts';

export interface ScanOptions {
  readonly scanner: Scanner;
  readonly verdicts: readonly Verdict[];
  readonly by: FactSigner;
  readonly context: Context;
}

/** The advisory that a scan of one release made. */
export interface ScannedRelease extends RecordedFact {
  readonly name: string;
  readonly version: string;
  readonly bundle: string;
  /** How many vulnerabilities there are, and with how many a person must still do something. */
  readonly total: number;
  readonly open: number;
  /** When the database of the scanner was built, RFC 3339; absent if it does not say. */
  readonly databaseBuilt?: string;
  /** What the scanner did not look at, in words. */
  readonly unscanned: readonly string[];
}

/**
 * Scans the SBOM of a release and records what was found as a signed advisory.
 * @throws StowageError `usage-invalid`, `file-missing` for a release that was recorded without its SBOM, `scan-failed`,
 * `fleet-damaged`
 */
export async function scanRelease(
  fleet: ChangingFleet,
  release: FleetRelease,
  { scanner, verdicts, by, context }: ScanOptions,
): Promise<ScannedRelease> {
  const { name, version, bundle } = release;
  const bill = await billOf(fleet, release);
  context.emit({ type: 'step', step: 'scan', subject: `${name} ${version}` });
  const report = await scanBill(bill, scanner, context);
  const now = context.now();
  const value = makeAdvisory({
    ...{ release, bill, report, verdicts, at: momentOf(now) },
    scanner: scannerName(scanner.program),
  });
  const bytes = canonicalBytes(value);
  const advisory = readAdvisory(bytes);
  const path = `advisories/${name}/${nextNumber(fleet, name)}.json`;
  const trust = await fleet.folder.trust(now);
  await fleet.add({
    ...{ action: 'scan', subject: `${name} ${version}` },
    files: signedFact({ path, bytes, by, now, trust }),
  });
  return {
    ...{ name, version, bundle, total: advisory.vulnerabilities.length },
    open: openIn(advisory).length,
    ...(report.databaseBuilt === undefined ? {} : { databaseBuilt: report.databaseBuilt }),
    unscanned: report.unscanned ?? [],
    ...factAt(path, fleet),
  };
}

async function billOf({ database, folder }: ChangingFleet, release: FleetRelease): Promise<Buffer> {
  const { name, version, bundle } = release;
  const path = releaseBill(bundle);
  const recorded = recordedFile(database, path);
  if (recorded === undefined)
    throw new StowageError('file-missing', `the fleet has no SBOM of ${name} ${version}`, {
      expected: path,
      found: 'nothing',
      hint: 'run stowage fleet add-release with the folder of its bundle again',
    });
  return readRecorded(recorded, folder.root);
}

function nextNumber({ database }: ChangingFleet, name: string): number {
  const numbers = database
    .all<{ path: string }>('SELECT path FROM file WHERE path LIKE ?', `advisories/${name}/%.json`)
    .map(({ path }) => Number(/\/([0-9]+)\.json$/.exec(path)?.[1] ?? 0));
  return Math.max(0, ...numbers) + 1;
}
