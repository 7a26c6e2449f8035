import { fieldsOf, type Json, listOf, parseJson, textOf } from '../../core/json.ts';
import { nameUuid } from '../../core/name-uuid.ts';
import { PRODUCT, PRODUCT_VERSION } from '../../core/product.ts';
import { DATABASE_BUILT, NOT_SCANNED } from '../../format/advisory.ts';
import { type ScanFinding, type ScanReport, severities } from '../../format/scan-findings.ts';
import type { Verdict } from '../../format/verdicts.ts';

export interface AdvisoryInput {
  readonly release: { readonly name: string; readonly version: string; readonly bundle: string };
  /** The SBOM of the release, CycloneDX. */
  readonly bill: Buffer;
  readonly report: ScanReport;
  readonly verdicts: readonly Verdict[];
  readonly scanner: string;
  /** RFC 3339. */
  readonly at: string;
}

/**
 * The findings of a scanner and the verdicts of people as a CycloneDX 1.6 VEX document. Without a verdict, a finding is
 * `in_triage`. The same input gives the same value.
 */
export function makeAdvisory(input: AdvisoryInput): Json {
  const { release, bill, report, verdicts, scanner, at } = input;
  const { findings, databaseBuilt, unscanned = [] } = report;
  const { name, version, bundle } = release;
  const links = linksInto(bill);
  const vulnerabilities = [...Map.groupBy(findings, ({ id }) => id)].flatMap(([id, all]) =>
    // One entry for each verdict: packages of one vulnerability may be judged otherwise.
    [...Map.groupBy(all, (each) => verdictOn(each, release.name, verdicts))].map(
      ([verdict, same]) => ({
        id,
        ...references(same),
        ratings: [{ severity: worstOf(same) }],
        affects: same.flatMap((each) =>
          links(each).map((ref) => ({
            ref,
            versions: [{ version: each.version, status: statusOf(verdict) }],
          })),
        ),
        ...recommendation(same),
        analysis: analysisOf(verdict),
        properties: [...new Set(same.map((each) => `${each.package} ${each.version}`))].map(
          (value) => ({ name: `${PRODUCT}:package`, value }),
        ),
      }),
    ),
  );
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${nameUuid(`${bundle} ${at}`)}`,
    version: 1,
    metadata: {
      timestamp: at,
      tools: {
        components: [
          { type: 'application', name: PRODUCT, version: PRODUCT_VERSION },
          {
            ...{ type: 'application', name: scanner },
            ...(databaseBuilt === undefined
              ? {}
              : { properties: [{ name: DATABASE_BUILT, value: databaseBuilt }] }),
          },
        ],
      },
      component: {
        type: 'application',
        'bom-ref': `release:${name}@${version}`,
        ...{ name, version },
        hashes: [{ alg: 'SHA-512', content: bundle }],
      },
      ...(unscanned.length === 0
        ? {}
        : {
            properties: unscanned.map((value) => ({ name: NOT_SCANNED, value })),
          }),
    },
    vulnerabilities,
  };
}

function verdictOn(
  { id, cve, package: name }: ScanFinding,
  release: string,
  verdicts: readonly Verdict[],
): Verdict | undefined {
  // The last one counts: a person adds to the end of the file.
  return verdicts.findLast(
    (each) =>
      (each.id === id || each.id === cve) &&
      (each.release === undefined || each.release === release) &&
      (each.package === undefined || each.package === name),
  );
}

function analysisOf(verdict: Verdict | undefined): Json {
  if (verdict === undefined) return { state: 'in_triage' };
  const { state, because, detail, by } = verdict;
  return {
    state,
    ...(because === undefined ? {} : { justification: because }),
    detail: `${detail} (${by})`,
  };
}

function statusOf(verdict: Verdict | undefined): 'affected' | 'unaffected' | 'unknown' {
  if (verdict === undefined || verdict.state === 'in_triage') return 'unknown';
  return verdict.state === 'exploitable' ? 'affected' : 'unaffected';
}

/** The CVE that another database calls by the id of an entry. */
function references([first]: readonly ScanFinding[]): { references?: Json } {
  if (first?.cve === undefined) return {};
  return { references: [{ id: first.cve, source: { name: 'CVE' } }] };
}

function worstOf(found: readonly ScanFinding[]): string {
  return severities.find((each) => found.some(({ severity }) => severity === each)) ?? 'unknown';
}

function recommendation(found: readonly ScanFinding[]): { recommendation?: string } {
  const fixed = [
    ...new Set(
      found.flatMap((each) =>
        each.fixedIn.length === 0 ? [] : [`${each.package} ${each.fixedIn.join(' or ')}`],
      ),
    ),
  ];
  return fixed.length === 0 ? {} : { recommendation: `fixed in ${fixed.slice(0, 20).join(', ')}` };
}

/** Makes links to the components of an SBOM that a finding is about (CycloneDX BOM-Link). */
function linksInto(bill: Buffer): (finding: ScanFinding) => string[] {
  const { serialNumber, components } = fieldsOf(parseJson(bill));
  const document = `${(textOf(serialNumber) ?? '').replace('urn:uuid:', 'urn:cdx:')}/1`;
  const byPurl = refsIn(components);
  const known = new Set([...byPurl.values()].flat());
  return ({ ref, purl, package: name, version }) => {
    if (ref === undefined && purl === undefined) return [`${name}@${version}`];
    // Where the scanner does not say which component it means, the package may be in several images.
    const named = ref !== undefined && known.has(ref) ? [ref] : undefined;
    const refs = named ?? byPurl.get(purl ?? '') ?? [purl ?? `${name}@${version}`];
    return refs.map((each) => `${document}#${encodeURIComponent(each)}`);
  };
}

/** The references of all components of an SBOM, by their package URLs. */
function refsIn(components: unknown): Map<string, string[]> {
  const refs = new Map<string, string[]>();
  const add = (purl: string, found: readonly string[]): void => {
    const known = refs.get(purl);
    if (known === undefined) refs.set(purl, [...found]);
    else known.push(...found);
  };
  for (const each of listOf(components)) {
    const purl = textOf(each['purl']);
    const ref = textOf(each['bom-ref']);
    if (purl !== undefined && ref !== undefined) add(purl, [ref]);
    for (const [inner, own] of refsIn(each['components'])) add(inner, own);
  }
  return refs;
}
