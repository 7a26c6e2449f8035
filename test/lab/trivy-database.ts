import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './process.ts';

/** A vulnerability that a database knows. */
export interface KnownVulnerability {
  readonly id: string;
  /** What its source calls it. */
  readonly vendorIds?: readonly string[];
  readonly severity: 'LOW' | 'MEDIUM' | 'HIGH' | 'CRITICAL';
  /** Debian's is that of Debian 12. */
  readonly ecosystem: 'debian' | 'pip' | 'npm' | 'go';
  readonly package: string;
  /** The first version that is not affected; absent if there is none, which only Debian says. */
  readonly below?: string;
}

/** Where trivy looks for the packages of an ecosystem, and whose data that is. */
const sources = {
  debian: ['debian 12', { ID: 'debian', Name: 'Debian Security Tracker' }],
  pip: ['pip::GitHub Security Advisory Pip', { ID: 'ghsa', Name: 'GitHub Security Advisory Pip' }],
  npm: ['npm::GitHub Security Advisory Npm', { ID: 'ghsa', Name: 'GitHub Security Advisory Npm' }],
  go: [
    'go::The Go Vulnerability Database',
    { ID: 'govulndb', Name: 'The Go Vulnerability Database' },
  ],
} as const;
/** What trivy 0.74 expects of its database (pkg/db of trivy-db). */
const SCHEMA = 2;
const SEVERITIES = ['UNKNOWN', 'LOW', 'MEDIUM', 'HIGH', 'CRITICAL'];
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Makes a database of trivy that knows these vulnerabilities alone, with the packages that trivy itself reads it with.
 * @param writer the program that writes it
 * @returns the cache folder of trivy, for `TRIVY_CACHE_DIR`
 */
export async function trivyDatabase(
  folder: string,
  writer: string,
  { built, known }: { readonly built: Date; readonly known: readonly KnownVulnerability[] },
): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const next = new Date(built.getTime() + DAY_MS);
  const metadata = {
    ...{ Version: SCHEMA, UpdatedAt: built, NextUpdate: next, DownloadedAt: built },
  };
  const advisories = known.map(({ id, vendorIds, ecosystem, package: name, below, severity }) => {
    const [bucket, source] = sources[ecosystem];
    const affected =
      ecosystem === 'debian'
        ? { FixedVersion: below, Severity: rank(severity) }
        : { VulnerableVersions: [`< ${below}`], PatchedVersions: [below] };
    return { id, bucket, source, package: name, advisory: { ...affected, VendorIDs: vendorIds } };
  });
  const vulnerabilities = Object.fromEntries(
    known.map(({ id, ecosystem, severity }) => [
      id,
      {
        Title: `the lab's ${id}`,
        VendorSeverity: { [sources[ecosystem][1].ID]: rank(severity) },
        References: [`https://lab.example/${id}`],
      },
    ]),
  );
  const input = join(folder, 'known.json');
  writeFileSync(input, JSON.stringify({ metadata, advisories, vulnerabilities }));
  await run(writer, [join(folder, 'db'), input]);
  return folder;
}

function rank(severity: string): number {
  return SEVERITIES.indexOf(severity);
}
