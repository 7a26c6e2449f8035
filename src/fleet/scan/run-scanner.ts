import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Context, Environment } from '../../core/context.ts';
import { StowageError } from '../../core/error.ts';
import { fieldsOf, listOf, parseJson, textsOf } from '../../core/json.ts';
import { MIB } from '../../core/limits.ts';
import { counted, oneLine } from '../../core/text.ts';
import {
  databaseOfTrivy,
  mergeFindings,
  readScan,
  type ScanFinding,
  type ScannerName,
  type ScanReport,
  scannerNames,
} from '../../format/scan-findings.ts';
import { runConfined } from '../../io/confined-program.ts';
import { remove } from '../../io/file.ts';
import { type FlatBill, flatBills } from './flat-bills.ts';

/** A vulnerability scanner on this machine. */
export interface Scanner {
  /** A name in PATH, or a path. Its name says how it is called. */
  readonly program: string;
  /** The folder of its database; what its own variables say without it. */
  readonly database?: string;
  readonly env: Environment;
  /** Whether this process runs as root. */
  readonly root: boolean;
}

/** After which grype itself would refuse its database. */
const MAX_DATABASE_DAYS = 5;
const DAY_MS = 24 * 60 * 60 * 1000;

const LIMITS = {
  timeoutMs: 15 * 60_000,
  maxOutputBytes: 256 * MIB,
  maxMemoryBytes: 8192 * MIB,
} as const;

/**
 * What keeps a scanner from asking the network, and from looking at less than all packages, whatever the variables of the user say. The
 * database is the user's, whatever its age: an old one is a warning.
 */
const settings: Readonly<Record<ScannerName, Environment>> = {
  grype: {
    GRYPE_DB_AUTO_UPDATE: 'false',
    GRYPE_DB_VALIDATE_AGE: 'false',
    GRYPE_CHECK_FOR_APP_UPDATE: 'false',
  },
  trivy: {
    TRIVY_OFFLINE_SCAN: 'true',
    TRIVY_SKIP_DB_UPDATE: 'true',
    TRIVY_SKIP_JAVA_DB_UPDATE: 'true',
    TRIVY_SKIP_VERSION_CHECK: 'true',
    TRIVY_DISABLE_TELEMETRY: 'true',
    TRIVY_SCANNERS: 'vuln',
    TRIVY_PKG_TYPES: 'os,library',
    TRIVY_EXIT_CODE: '0',
  },
};

const folders: Readonly<Record<ScannerName, readonly [variable: string, standard: string]>> = {
  grype: ['GRYPE_DB_CACHE_DIR', 'grype/db'],
  trivy: ['TRIVY_CACHE_DIR', 'trivy'],
};

const args: Readonly<Record<ScannerName, (file: string) => readonly string[]>> = {
  // With --quiet, grype does not say either why it failed.
  grype: (file) => [`sbom:${file}`, '--output', 'json'],
  trivy: (file) => ['sbom', '--format', 'json', '--quiet', file],
};

/** @throws StowageError `usage-invalid` for a program with another name */
export function scannerName(program: string): ScannerName {
  const found = scannerNames.find((each) => basename(program).startsWith(each));
  if (found !== undefined) return found;
  throw new StowageError('usage-invalid', 'this scanner is not known', {
    expected: `a program whose name begins with ${scannerNames.join(' or ')}`,
    found: basename(program),
    hint: 'give the path of grype or trivy with --scanner',
  });
}

/**
 * What a scanner finds in an SBOM. It runs in a network namespace of its own where the system allows one, and gets no other
 * folder than its database and a new one.
 * @throws StowageError `usage-invalid`, `scan-failed`, `interrupted`
 */
export async function scanBill(
  bill: Buffer,
  scanner: Scanner,
  context: Context,
): Promise<ScanReport> {
  const name = scannerName(scanner.program);
  const folder = await mkdtemp(join(tmpdir(), 'stowage-scan-'));
  try {
    const confinement = {
      ...{ folder, env: scanner.env, signal: context.signal, ...LIMITS },
      variables: variablesOf(name, scanner),
    };
    const isolation = await isolationOf(scanner, confinement);
    if (isolation === undefined)
      context.emit({
        type: 'warning',
        message: 'this machine cannot run the scanner without a network',
        hint: 'the scanner was told to stay offline; run this command as root to take the network away from it',
      });
    const file = join(folder, 'sbom.cdx.json');
    const ask = async (about: readonly string[]): Promise<Buffer> => {
      const [program = '', ...rest] = [...(isolation ?? []), scanner.program, ...about];
      const { status, output, said } = await running(name, () =>
        runConfined(program, rest, confinement),
      );
      // The reason comes last.
      const why = oneLine(said.trim().slice(-500), 500);
      if (status !== 0) throw failed(name, `exit status ${status}: ${why}`);
      return Buffer.from(output, 'utf8');
    };
    const scan = async (bytes: Buffer): Promise<ScanReport> => {
      await writeFile(file, bytes, { mode: 0o600 });
      return readScan(name, await ask(args[name](file)));
    };
    const bills = flatBills(bill);
    const report =
      name === 'trivy' ? await scanWithTrivy(bills, { ask, scan }, context) : await scan(bill);
    warnOfAge(name, report, context);
    const unscanned = [...incomplete(bill), ...unversioned(bills), ...(report.unscanned ?? [])];
    return { ...report, unscanned };
  } finally {
    await remove(folder);
  }
}

/** Trivy says in another command when its database was built, and scans each image by itself. */
async function scanWithTrivy(
  bills: readonly FlatBill[],
  by: {
    readonly ask: (args: readonly string[]) => Promise<Buffer>;
    readonly scan: (bill: Buffer) => Promise<ScanReport>;
  },
  context: Context,
): Promise<ScanReport> {
  const findings: ScanFinding[] = [];
  const unscanned: string[] = [];
  for (const { bytes, about, system, versioned } of bills) {
    const report = await by.scan(bytes);
    findings.push(...report.findings);
    if (system !== undefined && versioned && report.sawSystem === false)
      unscanned.push(notScanned(about, `trivy does not know ${system}`));
    if (system !== undefined && report.systemEnded === true)
      context.emit({
        type: 'warning',
        message: oneLine(`${system} of ${about} is no longer supported`, 500),
        hint: 'trivy may not know its latest vulnerabilities; build the image on a supported version',
      });
  }
  const built = databaseOfTrivy(await by.ask(['version', '--format', 'json']));
  return {
    ...(built === undefined ? {} : { databaseBuilt: built }),
    ...{ findings: mergeFindings('trivy', findings), unscanned },
  };
}

/** What the SBOM itself says to be incomplete, such as an image with a database that could not be read. */
function incomplete(bill: Buffer): string[] {
  return listOf(fieldsOf(parseJson(bill))['compositions']).flatMap(({ aggregate, assemblies }) =>
    aggregate === 'incomplete'
      ? textsOf(assemblies).map((ref) => notScanned(ref, 'the SBOM does not list all of them'))
      : [],
  );
}

/** No scanner finds anything in packages of a distribution without a version. That would read as if there was nothing. */
function unversioned(bills: readonly FlatBill[]): string[] {
  return bills.flatMap(({ about, system, versioned }) =>
    system === undefined || versioned ? [] : [notScanned(about, `${system} without a version`)],
  );
}

function notScanned(about: string, why: string): string {
  return oneLine(`the packages of ${about}: ${why}`, 500);
}

function warnOfAge(name: ScannerName, { databaseBuilt }: ScanReport, context: Context): void {
  if (databaseBuilt === undefined) {
    context.emit({
      type: 'warning',
      message: `${name} does not say when its database was built`,
      hint: 'update the database and scan again; the advisory does not state how old it is',
    });
    return;
  }
  const days = (context.now().getTime() - new Date(databaseBuilt).getTime()) / DAY_MS;
  if (days <= MAX_DATABASE_DAYS) return;
  context.emit({
    type: 'warning',
    message: `the database of ${name} is ${counted(Math.floor(days), 'day')} old`,
    hint: 'update it and scan again; the advisory states when it was built',
  });
}

function variablesOf(name: ScannerName, { env, database }: Scanner): Environment {
  const own = Object.fromEntries(
    Object.entries(env).filter(([key]) => key.startsWith(`${name.toUpperCase()}_`)),
  );
  const [variable, standard] = folders[name];
  const cache = env['XDG_CACHE_HOME'] || join(env['HOME'] ?? '/', '.cache');
  const place = database ?? env[variable] ?? join(cache, standard);
  return { ...own, ...settings[name], [variable]: place, NO_COLOR: '1' };
}

/** What a command begins with that shall have no network; undefined where the system does not allow it. */
async function isolationOf(
  { root }: Scanner,
  confinement: Parameters<typeof runConfined>[2],
): Promise<readonly string[] | undefined> {
  const before = ['unshare', ...(root ? [] : ['--map-root-user']), '--net', '--'];
  const [program = '', ...rest] = [...before, 'true'];
  try {
    return (await runConfined(program, rest, confinement)).status === 0 ? before : undefined;
  } catch (error) {
    if (error instanceof StowageError && error.code === 'interrupted') throw error;
    return undefined;
  }
}

async function running<T>(name: ScannerName, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StowageError) || error.code === 'interrupted') throw error;
    throw failed(name, error.found ?? error.message, error);
  }
}

function failed(name: ScannerName, found: string, cause?: unknown): StowageError {
  return new StowageError('scan-failed', `${name} did not scan the SBOM`, {
    expected: `exit status 0, and its findings as JSON`,
    found,
    hint: `install ${name}, or name it with --scanner; give the folder of its database with --db, since it is not updated here`,
    cause,
  });
}
