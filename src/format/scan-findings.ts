import * as z from 'zod';
import { StowageError } from '../core/error.ts';
import { parseJson } from '../core/json.ts';
import { counted, oneLine } from '../core/text.ts';
import { momentOf } from './field.ts';

export const severities = ['critical', 'high', 'medium', 'low', 'none', 'unknown'] as const;
export type Severity = (typeof severities)[number];

/** What a scanner says of one package. */
export interface ScanFinding {
  /** Such as `CVE-2026-1`, or that of another database. */
  readonly id: string;
  /** The CVE that another database calls `id`; absent where it stands for several. */
  readonly cve?: string;
  readonly severity: Severity;
  readonly package: string;
  readonly version: string;
  /** The package URL, as the scanner writes it. */
  readonly purl?: string;
  /** What the scanner calls the component: its `bom-ref` in the SBOM, if the scanner keeps it. */
  readonly ref?: string;
  /** The versions that are not affected. */
  readonly fixedIn: readonly string[];
}

/** What a scanner says of an SBOM. */
export interface ScanReport {
  /** Each once, sorted. */
  readonly findings: readonly ScanFinding[];
  /** When its database was built, RFC 3339; absent if it does not say. */
  readonly databaseBuilt?: string;
  /** Whether it looked at the packages of an operating system; absent if it does not say. */
  readonly sawSystem?: boolean;
  /** Whether that system is no longer supported, so that the database may lack what is new; absent if it does not say. */
  readonly systemEnded?: true;
  /** What it did not look at, in words. */
  readonly unscanned?: readonly string[];
}

const MAX_FINDINGS = 20_000;
const CVE = /^CVE-[0-9]{4}-[0-9]{1,19}$/;

// The output of a scanner is foreign: members that are not read here may be anything.
const text = z.string().max(2000);
const grype = z.object({
  matches: z
    .array(
      z.object({
        vulnerability: z.object({
          id: text,
          severity: text.nullish(),
          fix: z.object({ versions: z.array(text).max(100).nullish() }).nullish(),
        }),
        relatedVulnerabilities: z
          .array(z.object({ id: text }))
          .max(100)
          .nullish(),
        artifact: z.object({
          ...{ name: text, version: text.nullish(), purl: text.nullish(), id: text.nullish() },
        }),
      }),
    )
    .max(MAX_FINDINGS),
  descriptor: z
    .object({ db: z.object({ status: z.object({ built: text.nullish() }).nullish() }).nullish() })
    .nullish(),
});
const trivy = z.object({
  Metadata: z.object({ OS: z.object({ EOSL: z.boolean().nullish() }).nullish() }).nullish(),
  Results: z
    .array(
      z.object({
        Class: text.nullish(),
        Vulnerabilities: z
          .array(
            z.object({
              VulnerabilityID: text,
              Severity: text.nullish(),
              PkgName: text,
              InstalledVersion: text.nullish(),
              FixedVersion: text.nullish(),
              PkgIdentifier: z.object({ PURL: text.nullish(), BOMRef: text.nullish() }).nullish(),
            }),
          )
          .max(MAX_FINDINGS)
          .nullish(),
      }),
    )
    .max(MAX_FINDINGS)
    .nullish(),
});

const trivyVersion = z.object({
  VulnerabilityDB: z.object({ UpdatedAt: text.nullish() }).nullish(),
});

/** The scanners whose output is understood: `grype -o json` and `trivy sbom --format json`. */
export const scannerNames = ['grype', 'trivy'] as const;
export type ScannerName = (typeof scannerNames)[number];

/**
 * Reads the output of a scanner.
 * @throws StowageError `scan-failed` for anything else
 */
export function readScan(scanner: ScannerName, output: Uint8Array): ScanReport {
  const { findings, ...report } = scanner === 'grype' ? ofGrype(output) : ofTrivy(output);
  return { ...report, findings: mergeFindings(scanner, findings) };
}

/**
 * When the database of trivy was built, which `trivy version --format json` says.
 * @returns RFC 3339; undefined if it does not say
 * @throws StowageError `scan-failed` for anything else
 */
export function databaseOfTrivy(output: Uint8Array): string | undefined {
  return dateIn(parsed('trivy', trivyVersion, output).VulnerabilityDB?.UpdatedAt);
}

/** Each finding once, sorted. @throws StowageError `scan-failed` for too many */
export function mergeFindings(
  scanner: ScannerName,
  found: readonly ScanFinding[],
): readonly ScanFinding[] {
  const findings = new Map(found.map((each) => [keyOf(each), each]));
  if (findings.size > MAX_FINDINGS)
    throw unreadable(scanner, counted(findings.size, 'vulnerability', 'vulnerabilities'));
  return [...findings].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

function keyOf({ id, ref, purl, package: name, version }: ScanFinding): string {
  return [id, ref ?? purl ?? name, version].join('\n');
}

function ofGrype(output: Uint8Array): ScanReport {
  const { matches, descriptor } = parsed('grype', grype, output);
  const built = dateIn(descriptor?.db?.status?.built);
  return {
    findings: matches.map(({ vulnerability, relatedVulnerabilities, artifact }) =>
      finding({
        ...{ id: vulnerability.id, severity: vulnerability.severity },
        related: relatedVulnerabilities?.map(({ id }) => id) ?? [],
        ...{ name: artifact.name, version: artifact.version, purl: artifact.purl },
        ref: artifact.id,
        fixedIn: vulnerability.fix?.versions ?? [],
      }),
    ),
    ...(built === undefined ? {} : { databaseBuilt: built }),
  };
}

function dateIn(found: string | null | undefined): string | undefined {
  const date = new Date(found ?? '');
  return Number.isNaN(date.getTime()) ? undefined : momentOf(date);
}

function ofTrivy(output: Uint8Array): ScanReport {
  const { Metadata: metadata, Results: results } = parsed('trivy', trivy, output);
  const findings = (results ?? []).flatMap(({ Vulnerabilities: list }) =>
    (list ?? []).map((each) =>
      finding({
        ...{ id: each.VulnerabilityID, related: [], severity: each.Severity, name: each.PkgName },
        ...{ version: each.InstalledVersion, purl: each.PkgIdentifier?.PURL },
        ref: each.PkgIdentifier?.BOMRef,
        fixedIn: each.FixedVersion?.split(/, */).filter((one) => one !== '') ?? [],
      }),
    ),
  );
  return {
    ...{ findings, sawSystem: (results ?? []).some((each) => each.Class === 'os-pkgs') },
    ...(metadata?.OS?.EOSL === true ? { systemEnded: true } : {}),
  };
}

function finding(found: {
  readonly id: string;
  readonly related: readonly string[];
  readonly severity: string | null | undefined;
  readonly name: string;
  readonly version: string | null | undefined;
  readonly purl: string | null | undefined;
  readonly ref: string | null | undefined;
  readonly fixedIn: readonly string[];
}): ScanFinding {
  const { severity, purl, ref } = found;
  const level = severity?.toLowerCase() === 'negligible' ? 'low' : severity?.toLowerCase();
  const [cve, ...further] = new Set(found.related.filter((each) => CVE.test(each)));
  return {
    id: oneLine(found.id, 100),
    ...(cve === undefined || further.length > 0 || CVE.test(found.id) ? {} : { cve }),
    severity: severities.find((each) => each === level) ?? 'unknown',
    package: oneLine(found.name, 200),
    version: oneLine(found.version ?? '', 200),
    ...(purl ? { purl: oneLine(purl, 500) } : {}),
    ...(ref ? { ref: oneLine(ref, 2000) } : {}),
    fixedIn: found.fixedIn.map((each) => oneLine(each, 100)).slice(0, 20),
  };
}

function parsed<T>(scanner: ScannerName, schema: z.ZodType<T>, output: Uint8Array): T {
  let value: unknown;
  try {
    value = parseJson(output);
  } catch (cause) {
    if (!(cause instanceof StowageError)) throw cause;
    throw unreadable(scanner, cause.found ?? 'something else', cause);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw unreadable(scanner, `${issue?.path.join('.')}: ${issue?.message}`);
}

function unreadable(scanner: ScannerName, found: string, cause?: unknown): StowageError {
  return new StowageError('scan-failed', `the output of ${scanner} is not understood`, {
    expected: `the JSON of ${scanner}, with at most ${MAX_FINDINGS} vulnerabilities`,
    found: oneLine(found, 300),
    hint: `run ${scanner} by hand and look at its output; grype 0.121 and trivy 0.74 are known to work`,
    cause,
  });
}
