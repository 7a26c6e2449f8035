import type { Json } from '../core/canonical-json.ts';
import { digestHex } from '../core/digest.ts';
import { PRODUCT, PRODUCT_VERSION } from '../core/product.ts';
import type { Lock } from '../format/lock.ts';

/**
 * An in-toto statement (v1) with SLSA provenance (v1) that says from what the bundle was made. It is covered by
 * the bundle's signature and bears none of its own.
 */
export function provenance(lock: Lock): Json {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [
      ...lock.images.map((image) => ({
        name: `image:${image.name}`,
        digest: sha256(image.target.digest),
      })),
      ...lock.models.flatMap((model) =>
        model.files.map((file) => ({
          name: `model:${model.name}/${file.path}`,
          digest: sha256(file.digest),
        })),
      ),
      ...lock.files.map((file) => ({ name: `files:${file.name}`, digest: sha256(file.digest) })),
    ],
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
          ...lock.models.map((model) => ({
            uri: `${model.endpoint}/${model.repository}`,
            digest: { gitCommit: model.commit },
          })),
          ...lock.images.map((image) => ({
            uri: `oci://${image.repository}`,
            digest: sha256(image.target.digest),
          })),
          ...lock.files.map(({ source, digest, git }) => ({
            uri: git === undefined ? source : `git+${git.url}`,
            digest: git === undefined ? sha256(digest) : { gitCommit: git.commit },
          })),
          ...lock.files.flatMap(({ git }) =>
            (git?.submodules ?? []).map(({ url, commit }) => ({
              uri: `git+${url}`,
              digest: { gitCommit: commit },
            })),
          ),
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

function sha256(digest: Lock['files'][number]['digest']): Json {
  return { sha256: digestHex(digest) };
}
