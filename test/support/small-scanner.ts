import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A program in the place of grype, called as grype is: it reads the SBOM, and finds a vulnerability in each component that has one of
 * these names. It fails where it has a network, and says so.
 * @param names of components, with the severity of what it finds in them
 * @param built when its database was built
 * @returns its path
 */
export function smallScanner(
  folder: string,
  names: Readonly<Record<string, string>>,
  built: Date = new Date(),
): string {
  mkdirSync(folder, { recursive: true });
  const program = join(folder, 'grype');
  const text = `#!${process.execPath}
const { readFileSync } = require('node:fs');
const devices = readFileSync('/proc/net/dev', 'utf8').split('\\n').filter((line) => line.includes(':') && !/^ *lo:/.test(line));
if (devices.length > 0 && process.getuid() === 0) { console.error('there is a network'); process.exit(3); }
if (process.env.GRYPE_DB_AUTO_UPDATE !== 'false' || !process.env.GRYPE_DB_CACHE_DIR) process.exit(4);
const [source, , kind] = process.argv.slice(2);
if (!source.startsWith('sbom:') || kind !== 'json') process.exit(5);
const names = ${JSON.stringify(names)};
const matches = [];
const visit = (list = []) => { for (const each of list) {
  if (Object.hasOwn(names, each.name)) matches.push({
    vulnerability: { id: 'CVE-2026-' + each.name.length, severity: names[each.name], fix: { versions: ['9.9.9'], state: 'fixed' } },
    artifact: { name: each.name, version: each.version ?? '', purl: each.purl ?? '' },
  });
  visit(each.components);
} };
visit(JSON.parse(readFileSync(source.slice(5), 'utf8')).components);
console.log(JSON.stringify({ matches, descriptor: { name: 'grype', version: '0', db: { status: { built: ${JSON.stringify(built)} } } } }));
`;
  writeFileSync(program, text);
  chmodSync(program, 0o755);
  return program;
}

/**
 * A program in the place of trivy, called as trivy is: like it, it looks at the top level of an SBOM alone, and at the packages of
 * Debian, of which it says that 10 is no longer supported. It finds a vulnerability in each package whose source has this name.
 * @param updatedAt when its database was built, if it says so
 * @returns its path
 */
export function smallTrivy(folder: string, source: string, updatedAt?: string): string {
  mkdirSync(folder, { recursive: true });
  const program = join(folder, 'trivy');
  const text = `#!${process.execPath}
const { readFileSync } = require('node:fs');
const [command, , kind, , file] = process.argv.slice(2);
if (command === 'version' && kind === 'json') {
  console.log(JSON.stringify({ Version: '0', VulnerabilityDB: { UpdatedAt: ${JSON.stringify(updatedAt)} } }));
  process.exit();
}
if (command !== 'sbom' || kind !== 'json' || process.env.TRIVY_SKIP_DB_UPDATE !== 'true') process.exit(5);
if (process.env.TRIVY_SCANNERS !== 'vuln' || process.env.TRIVY_PKG_TYPES !== 'os,library') process.exit(6);
const { components } = JSON.parse(readFileSync(file, 'utf8'));
const system = components.find(({ type }) => type === 'operating-system');
const debian = system?.name === 'debian';
const named = (each) => (each.properties ?? []).some(({ name, value }) => name === 'aquasecurity:trivy:SrcName' && value === ${JSON.stringify(source)});
const found = components.filter(named).map((each) => ({
  VulnerabilityID: 'CVE-2026-1', Severity: 'HIGH', PkgName: each.name, InstalledVersion: each.version,
  PkgIdentifier: { PURL: each.purl, BOMRef: each['bom-ref'] },
}));
console.log(JSON.stringify({ Metadata: { OS: { EOSL: system?.version === '10' } }, Results: debian ? [{ Target: 'debian', Class: 'os-pkgs', Vulnerabilities: found }] : undefined }));
`;
  writeFileSync(program, text);
  chmodSync(program, 0o755);
  return program;
}
