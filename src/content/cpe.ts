/** What the National Vulnerability Database calls software whose package URL scanners do not look up. */
const products: ReadonlyMap<string, string> = new Map([['pkg:generic/node', 'nodejs:node.js']]);

/** The `cpe` of a CycloneDX component (CPE 2.3, NISTIR 7695), for a product that is known and a version of digits alone. */
export function cpeOf(purl: string): { cpe?: string } {
  const [, name = '', version] = /^([^@]+)@([0-9]+(?:\.[0-9]+)*)$/.exec(purl) ?? [];
  const product = products.get(name);
  if (product === undefined) return {};
  return { cpe: `cpe:2.3:a:${product}:${version}:*:*:*:*:*:*:*` };
}
