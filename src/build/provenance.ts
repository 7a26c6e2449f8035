import { copiedFirst, fromLock } from '../content/items.ts';
import type { Json } from '../core/canonical-json.ts';
import { digestHex } from '../core/digest.ts';
import { PRODUCT, PRODUCT_VERSION } from '../core/product.ts';
import type { Lock } from '../format/lock.ts';

/**
 * An in-toto statement (v1) with SLSA provenance (v1): the sources that the bundle was made from. The signature of the
 * bundle covers it; it has none of its own.
 */
export function provenance(lock: Lock): Json {
  const subjects = fromLock(lock, (kind, item) => kind.subjects(item), copiedFirst());
  const origins = fromLock(lock, (kind, item) => [kind.origins(item)]);
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: subjects.map(({ name, digest }) => ({ name, digest: { sha256: digestHex(digest) } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: `urn:${PRODUCT}:pack:v1`,
        externalParameters: {
          name: lock.manifest.name,
          version: lock.manifest.version,
          channel: lock.manifest.channel,
          platforms: lock.manifest.platforms,
        },
        internalParameters: { seq: lock.seq },
        resolvedDependencies: [
          ...origins.map(({ own }) => own),
          ...origins.flatMap(({ included }) => included),
        ],
      },
      runDetails: {
        builder: {
          id: `pkg:npm/${PRODUCT}@${PRODUCT_VERSION}`,
          version: { [PRODUCT]: PRODUCT_VERSION },
        },
        metadata: { startedOn: lock.resolvedAt },
      },
    },
  };
}
