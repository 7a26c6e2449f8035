import type { Digest } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_MOUNTED_FILE_BYTES } from '../../core/limits.ts';
import { exactBytes } from '../../core/text.ts';
import type { Bundle } from '../../format/bundle.ts';
import type { BundleImage, BundleModel } from '../../format/bundled-content.ts';
import type { KubernetesObject } from '../../format/kubernetes.ts';
import type { KubernetesSite } from '../../format/kubernetes-site.ts';
import type { Mount, Service } from '../../format/service.ts';
import { adapterPath, type RenderInput } from '../render-input.ts';
import { contentDigest, type Owner, objectName, releaseLabels } from './labels.ts';

/** Where nodes find what a release carries. */
export interface ImagePlace {
  readonly release: string;
  readonly images: KubernetesSite['images'];
}

/** The reference of an image, by the digest of its manifest for one platform. */
export function imageReference(image: BundleImage, platform: string, place: ImagePlace): string {
  const found = image.platforms.find((each) => each.platform === platform) ?? image.platforms[0];
  if (found === undefined) throw new Error(`image ${image.name} has no platform`);
  if (place.images.from === 'mirror') return `${image.repository}@${found.manifest}`;
  return carried(image.name, found.manifest, place);
}

/** The reference of a model or of files as an image, which no registry but the depot or the site's own has. */
export function carReference(name: string, digest: Digest, place: ImagePlace): string {
  return carried(`${name}-car`, digest, place);
}

function carried(name: string, digest: Digest, { release, images }: ImagePlace): string {
  return `${images.registry}/${images.prefix}${release}/${name}@${digest}`;
}

const FILE_KEY = 'content';

/** A volume of a pod and where its container has it. */
export interface Mounted {
  readonly volume: Readonly<Record<string, unknown>> & { readonly name: string };
  readonly mount: Readonly<Record<string, unknown>>;
}

/** A model or an item of files that a service mounts. */
export interface Item {
  readonly name: string;
  readonly folder: 'models' | 'files';
  /** The file to mount; absent for a whole folder. */
  readonly file?: string;
  readonly path: string;
}

/** What a service mounts of its release. */
export function contentItems(service: Service, bundle: Bundle): Item[] {
  return [
    ...service.mounts.flatMap((mount) => itemOf(mount, bundle)),
    ...service.adapters.map(
      (each): Item => ({ name: each.model, folder: 'models', path: adapterPath(each) }),
    ),
  ];
}

/** Models, adapters and files of a service, read-only. */
export function contentMounts(service: Service, input: RenderInput, owner: Owner): Mounted[] {
  const settings = settingsOf(input);
  return contentItems(service, input.bundle).map((item) =>
    settings.weights === 'local' || settings.weights === 'volume'
      ? fromClaim(item, input, owner)
      : item.file === undefined
        ? fromImage(item, input)
        : fromFile({ ...item, file: item.file }, input, owner),
  );
}

/** What the content of a release needs in the cluster: small files as objects, or the store of this host as a volume. */
export function contentObjects(input: RenderInput, owner: Owner): KubernetesObject[] {
  const { weights, node } = settingsOf(input);
  if (weights === 'volume') return [];
  if (weights !== 'local' || node === undefined)
    return [...(input.contents?.keys() ?? [])]
      .toSorted()
      .map((name) => fileObject(name, input, owner));
  const name = localName(input, owner);
  const claim = { namespace: owner.namespace, name };
  const access = { accessModes: ['ReadOnlyMany'], storageClassName: '' };
  const capacity = { storage: '1Gi' };
  return [
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name, labels: releaseLabels(owner) },
      spec: {
        ...{ ...access, capacity, persistentVolumeReclaimPolicy: 'Retain' },
        claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', ...claim },
        local: { path: input.files },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              {
                matchExpressions: [
                  { key: 'kubernetes.io/hostname', operator: 'In', values: [node] },
                ],
              },
            ],
          },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { ...claim, labels: releaseLabels(owner) },
      spec: { ...access, volumeName: name, resources: { requests: capacity } },
    },
  ];
}

/** The cluster of the site. */
export function settingsOf({ settings: { kubernetes } }: RenderInput): KubernetesSite {
  if (kubernetes === undefined) throw new Error('a site with this target passed without a cluster');
  return kubernetes;
}

function itemOf(mount: Mount, { files }: Bundle): Item[] {
  if ('model' in mount) return [{ name: mount.model, folder: 'models', path: mount.path }];
  if (!('files' in mount)) return [];
  const found = files.find((each) => each.name === mount.files);
  const file = found?.kind === 'file' ? { file: found.path } : {};
  return [{ name: mount.files, folder: 'files', ...file, path: mount.path }];
}

function fromImage({ name, folder, path }: Item, input: RenderInput): Mounted {
  const volume = `content-${contentDigest({ folder, name })}`;
  return {
    volume: {
      name: volume,
      image: { reference: carImage(name, input), pullPolicy: 'IfNotPresent' },
    },
    mount: {
      ...{ name: volume, mountPath: path, readOnly: true },
      // A folder among the files is the root of its image.
      ...(folder === 'models' ? { subPath: 'models' } : {}),
    },
  };
}

/** Runtimes mount only folders of an image, so a single file is an object. */
function fromFile({ name, path }: Item, input: RenderInput, owner: Owner): Mounted {
  const volume = `file-${contentDigest({ name })}`;
  const configMap = { name: fileObject(name, input, owner).metadata.name };
  return {
    volume: { name: volume, configMap },
    mount: { name: volume, mountPath: path, subPath: FILE_KEY, readOnly: true },
  };
}

/** @throws StowageError `site-invalid` for a file that is too large for an object */
function fileObject(
  name: string,
  { contents, bundle }: RenderInput,
  owner: Owner,
): KubernetesObject {
  const content = contents?.get(name);
  if (content === undefined)
    throw new StowageError('site-invalid', `file ${name} of release ${bundle.name} is too large`, {
      expected: `at most ${exactBytes(MAX_MOUNTED_FILE_BYTES)} for a single file on a cluster`,
      found: exactBytes(bundle.files.find((each) => each.name === name)?.size ?? 0),
      hint: 'ask the release engineer to carry the folder of the file instead, or set kubernetes.weights to local or volume in site.yaml',
    });
  const binaryData = { [FILE_KEY]: Buffer.from(content).toString('base64') };
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: objectName(owner, `file-${name}`, contentDigest(binaryData)),
      namespace: owner.namespace,
      labels: releaseLabels(owner),
    },
    immutable: true,
    binaryData,
  };
}

function fromClaim({ name, folder, file, path }: Item, input: RenderInput, owner: Owner): Mounted {
  const { weights } = settingsOf(input);
  const claimName = weights === 'local' ? localName(input, owner) : claimOf(input, owner);
  const within = weights === 'local' ? [] : [folderOf(input.bundle)];
  const parts = [...within, folder, name, ...(file === undefined ? [] : [file])];
  return {
    volume: { name: 'content', persistentVolumeClaim: { claimName, readOnly: true } },
    mount: { name: 'content', mountPath: path, subPath: parts.join('/'), readOnly: true },
  };
}

/** Volumes are not in a namespace: the name has the site's id. */
function localName({ bundle, siteId, files }: RenderInput, owner: Owner): string {
  return objectName(
    { ...owner, ownsNamespace: true },
    `stowage-${siteId}-${bundle.name}`,
    contentDigest({ files, namespace: owner.namespace }),
  );
}

/** The folder of a release in a claim. */
export function folderOf({ name, version }: Bundle): string {
  return `${name}-${version}`;
}

/** The claim that has the content: that of the cluster's owner, or one that is made for this release. */
export function claimOf(input: RenderInput, owner: Owner): string {
  const { claim, storageClass, accessMode } = settingsOf(input);
  const { bundle } = input;
  const content = [...bundle.models, ...bundle.files].map(({ name, manifest }) => [name, manifest]);
  return (
    claim ??
    objectName(
      owner,
      'content',
      contentDigest([folderOf(bundle), content, storageClass ?? '', accessMode]),
    )
  );
}

/** The image of a model or of files. */
export function carImage(name: string, input: RenderInput): string {
  const place = { release: input.bundle.name, images: settingsOf(input).images };
  return carReference(name, carOf(name, input), place);
}

/** Where a server that a chart brings finds a model of the release, as KServe writes it (`storageUri`). */
export function modelAddress(
  { name, repository, commit }: BundleModel,
  input: RenderInput,
  owner: Owner,
): string {
  const { weights, modelUris } = settingsOf(input);
  if (modelUris === 'hub') return `hf://${repository}:${commit}`;
  if (weights === 'local') return `pvc://${localName(input, owner)}/models/${name}`;
  if (weights === 'volume')
    return `pvc://${claimOf(input, owner)}/${folderOf(input.bundle)}/models/${name}`;
  return `oci://${carImage(name, input)}`;
}

function carOf(name: string, { cars }: RenderInput): Digest {
  const digest = cars?.get(name);
  if (digest === undefined) throw new Error(`${name} has no image`);
  return digest;
}
