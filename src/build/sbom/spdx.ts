import { type Fields, fieldsOf, type Json, listOf, textOf, textsOf } from '../../core/json.ts';
import { PRODUCT, PRODUCT_VERSION } from '../../core/product.ts';

const NONE = 'NOASSERTION';
const DOCUMENT = 'SPDXRef-DOCUMENT';

/** `primaryPackagePurpose` by the type of a CycloneDX component (SPDX 2.3 section 7.24); other types are OTHER. */
const purposes: ReadonlyMap<string, string> = new Map([
  ['application', 'APPLICATION'],
  ['container', 'CONTAINER'],
  ['file', 'FILE'],
  ['library', 'LIBRARY'],
  ['operating-system', 'OPERATING-SYSTEM'],
]);

/**
 * The SPDX 2.3 document with the content of a CycloneDX SBOM of this program. Files are packages with the purpose FILE,
 * because SPDX 2.3 requires the SHA-1 of a file (section 8.4). What a package contains it also depends on, so only other
 * dependencies are listed as such. A license without an SPDX identifier is a comment.
 */
export function spdx(bill: Json): Json {
  const { metadata, components, dependencies, serialNumber } = fieldsOf(bill);
  const { component, timestamp } = fieldsOf(metadata);
  const packages: Json[] = [];
  const relationships: Json[] = [];
  const ids = new Map<unknown, string>();
  const contained = new Set<string>();
  const add = (each: Fields, parent: string): void => {
    const id = `SPDXRef-Package-${packages.length}`;
    packages.push({ SPDXID: id, ...packageOf(each) });
    ids.set(each['bom-ref'], id);
    contained.add(`${parent} ${id}`);
    relationships.push({
      spdxElementId: parent,
      relationshipType: parent === DOCUMENT ? 'DESCRIBES' : 'CONTAINS',
      relatedSpdxElement: id,
    });
    for (const inner of listOf(each['components'])) add(inner, id);
  };
  const release = fieldsOf(component);
  add({ ...release, components }, DOCUMENT);
  for (const { ref, dependsOn } of listOf(dependencies))
    for (const each of textsOf(dependsOn)) {
      const [from, to] = [ids.get(ref), ids.get(each)];
      if (from === undefined || to === undefined || contained.has(`${from} ${to}`)) continue;
      relationships.push({
        spdxElementId: from,
        relationshipType: 'DEPENDS_ON',
        relatedSpdxElement: to,
      });
    }
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: DOCUMENT,
    name: `${textOf(release['name'])}-${textOf(release['version'])}`,
    documentNamespace: textOf(serialNumber) ?? '',
    creationInfo: {
      created: textOf(timestamp) ?? '',
      creators: [`Tool: ${PRODUCT}-${PRODUCT_VERSION}`],
    },
    packages,
    relationships,
  };
}

function packageOf(each: Fields): Record<string, Json> {
  const group = textOf(each['group']);
  const name = textOf(each['name']) ?? '';
  const version = textOf(each['version']);
  const purl = textOf(each['purl']);
  const cpe = textOf(each['cpe']);
  const license = fieldsOf(listOf(each['licenses'])[0]);
  const { id, name: named } = fieldsOf(license['license']);
  const comment = textOf(named);
  const hashes = listOf(each['hashes']);
  const notes = listOf(each['properties']).map(
    (property) => `${textOf(property['name'])}: ${textOf(property['value'])}`,
  );
  return {
    name: group === undefined ? name : `${group}/${name}`,
    ...(version === undefined ? {} : { versionInfo: version }),
    downloadLocation: NONE,
    filesAnalyzed: false,
    licenseConcluded: NONE,
    licenseDeclared: textOf(license['expression']) ?? textOf(id) ?? NONE,
    ...(comment === undefined ? {} : { licenseComments: comment }),
    copyrightText: NONE,
    primaryPackagePurpose: purposes.get(textOf(each['type']) ?? '') ?? 'OTHER',
    ...(hashes.length === 0 ? {} : { checksums: hashes.map(checksumOf) }),
    ...(purl === undefined
      ? {}
      : {
          externalRefs: [
            ...(cpe === undefined ? [] : [reference('SECURITY', 'cpe23Type', cpe)]),
            reference('PACKAGE-MANAGER', 'purl', purl),
          ],
        }),
    ...(notes.length === 0 ? {} : { comment: notes.join('\n') }),
  };
}

function checksumOf({ alg, content }: Fields): Json {
  return {
    algorithm: (textOf(alg) ?? '').replace('-', ''),
    checksumValue: textOf(content) ?? '',
  };
}

function reference(category: string, type: string, locator: string): Json {
  return { referenceCategory: category, referenceType: type, referenceLocator: locator };
}
