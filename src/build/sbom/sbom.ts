import { type BlobFacts, noFacts } from '../../content/bill-entry.ts';
import { fromLock } from '../../content/items.ts';
import { canonicalJson, type Json } from '../../core/json.ts';
import { nameUuid } from '../../core/name-uuid.ts';
import { PRODUCT, PRODUCT_VERSION } from '../../core/product.ts';
import type { DescribedInstaller } from '../../format/installer.ts';
import type { Lock } from '../../format/lock.ts';
import { installerEntry } from './installer-entry.ts';

/**
 * A CycloneDX 1.6 SBOM with a component for each item of the lock and each installer, and their dependencies. The same
 * lock, blobs and installers always give the same bytes.
 */
export function sbom(
  lock: Lock,
  facts: BlobFacts = noFacts,
  installers: readonly DescribedInstaller[] = [],
): Json {
  const { manifest } = lock;
  const release = `release:${manifest.name}@${manifest.version}`;
  const programs = installers.map(installerEntry);
  const entries = [...fromLock(lock, (kind, item) => [kind.billEntry(item, facts)]), ...programs];
  const incomplete = entries.filter(({ complete }) => !complete);
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${nameUuid(canonicalJson(lock as unknown as Json))}`,
    version: 1,
    metadata: {
      timestamp: lock.resolvedAt,
      tools: { components: [{ type: 'application', name: PRODUCT, version: PRODUCT_VERSION }] },
      authors: [{ name: PRODUCT }],
      component: {
        type: 'application',
        'bom-ref': release,
        name: manifest.name,
        version: manifest.version,
        ...(manifest.description === '' ? {} : { description: manifest.description }),
      },
    },
    components: entries.map(({ component }) => component),
    dependencies: [
      { ref: release, dependsOn: entries.map(({ ref }) => ref) },
      ...entries
        .filter(({ packages }) => packages.length > 0)
        .map(({ ref, packages }) => ({ ref, dependsOn: packages })),
      ...programs.flatMap(({ inner }) => inner),
    ],
    ...(incomplete.length === 0
      ? {}
      : {
          compositions: [{ aggregate: 'incomplete', assemblies: incomplete.map(({ ref }) => ref) }],
        }),
  };
}
