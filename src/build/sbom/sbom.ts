import { createHash } from 'node:crypto';
import { type BillEntry, type BlobFacts, noFacts } from '../../content/bill-entry.ts';
import { fromLock } from '../../content/items.ts';
import { canonicalJson, type Json } from '../../core/canonical-json.ts';
import { sriHex } from '../../core/digest.ts';
import { PRODUCT, PRODUCT_VERSION } from '../../core/product.ts';
import type { Installer } from '../../format/installer.ts';
import type { Lock } from '../../format/lock.ts';

/**
 * A CycloneDX 1.6 SBOM with a component for each item of the lock and each installer, and their dependencies. The same
 * lock, blobs and installers always give the same bytes.
 */
export function sbom(
  lock: Lock,
  facts: BlobFacts = noFacts,
  installers: readonly Installer[] = [],
): Json {
  const { manifest } = lock;
  const release = `release:${manifest.name}@${manifest.version}`;
  const entries = [
    ...fromLock(lock, (kind, item) => [kind.billEntry(item, facts)]),
    ...installers.map(installerEntry),
  ];
  const incomplete = entries.filter(({ complete }) => !complete);
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(canonicalJson(lock as unknown as Json))}`,
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
    ],
    ...(incomplete.length === 0
      ? {}
      : {
          compositions: [{ aggregate: 'incomplete', assemblies: incomplete.map(({ ref }) => ref) }],
        }),
  };
}

/** An installer. Its own packages are in the SBOM of the release that it is from, so this entry is incomplete. */
function installerEntry({ path, platform, sha512 }: Installer): BillEntry {
  const ref = `installer:${path}`;
  return {
    ...{ ref, packages: [], complete: false },
    component: {
      type: 'application',
      'bom-ref': ref,
      name: path,
      description: `The installer for ${platform}`,
      hashes: [{ alg: 'SHA-512', content: sriHex(sha512) }],
    },
  };
}

/** A name-based UUID (RFC 9562, version 8) derived from a text, so that a lock always has the same serial number. */
function uuidOf(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}
