import { digestHex } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { MIB } from '../../core/limits.ts';
import { counted, exactBytes } from '../../core/text.ts';
import type { KubernetesFill, KubernetesObject } from '../../format/kubernetes.ts';
import { inOrder, type Service } from '../../format/service.ts';
import type { RenderInput } from '../render-input.ts';
import {
  carImage,
  claimOf,
  contentItems,
  folderOf,
  type Item,
  imageReference,
  settingsOf,
} from './content.ts';
import { fillScript, SCRIPT_FOLDER, SOURCE_FOLDER, TARGET_FOLDER } from './fill-script.ts';
import {
  contentDigest,
  labels,
  type Owner,
  objectName,
  placementOf,
  releaseLabels,
} from './labels.ts';
import { podSecurity } from './pod.ts';

/** The variable of the Job that names the folders whose content stays, separated by spaces. */
export const KEEP_VARIABLE = 'STOWAGE_KEEP';

const MAX_LIST_BYTES = 900 * 1024;
/** Room for folders and the list of files. */
const SPARE_BYTES: number = 16 * MIB;

/** A file as the Job copies it. */
interface FilledFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** What fills a claim, and the objects that it needs. */
export interface RenderedFill {
  readonly fill: KubernetesFill;
  readonly objects: readonly KubernetesObject[];
}

/**
 * The Job that copies the content of a release to a claim. Undefined where the owner of the claim does that, and for a release
 * whose services mount no content. The content comes from its images, so the Job needs no network, token or program of Stowage.
 * @throws StowageError `site-invalid` for a list of files that is too large for an object
 */
export function renderFill(
  input: RenderInput,
  owner: Owner,
  pullSecret?: string,
): RenderedFill | undefined {
  const { bundle } = input;
  const { weights, claim, storageClass, fill: how } = settingsOf(input);
  if (weights !== 'volume' || (how === undefined && storageClass === undefined)) return undefined;
  const services = (inOrder(bundle.services) ?? []).filter(
    (each) => contentItems(each, bundle).length > 0,
  );
  const [first] = services;
  if (first === undefined) return undefined;
  const items = itemsOf(services, input);
  const { files, trees, bytes } = contentOf(items, input);
  const list = listObject(files, trees, owner);
  const target = claimOf(input, owner);
  const pod = fillPod({ items, service: first, input, owner, target, list, pullSecret });
  const job = (base: string, args: readonly string[]): KubernetesObject =>
    jobObject(base, pod(args), owner);
  return {
    fill: {
      ...{ claim: target, folder: folderOf(bundle), bytes },
      job: job('fill', ['fill']),
      ...(claim === undefined || how?.keep === true ? {} : { clear: job('clear', ['clear']) }),
    },
    objects: [list, ...(claim === undefined ? [claimObject(target, bytes, input, owner)] : [])],
  };
}

function itemsOf(services: readonly Service[], { bundle }: RenderInput): Item[] {
  const all = services.flatMap((each) => contentItems(each, bundle));
  return [...new Map(all.map((item) => [placeOf(item), item])).values()];
}

function placeOf({ folder, name }: Item): string {
  return `${folder}/${name}`;
}

function contentOf(items: readonly Item[], { bundle }: RenderInput) {
  const files: FilledFile[] = [];
  const trees: string[] = [];
  let bytes = 0;
  for (const item of items) {
    const place = placeOf(item);
    const model = item.folder === 'models' && bundle.models.find(({ name }) => name === item.name);
    if (model)
      for (const { path, size, digest } of model.files)
        files.push({ path: `${place}/${path}`, size, sha256: digestHex(digest) });
    const found = item.folder === 'files' && bundle.files.find(({ name }) => name === item.name);
    if (found && found.kind === 'file')
      files.push({
        ...{ path: `${place}/${found.path}`, size: found.size, sha256: digestHex(found.digest) },
      });
    if (found && found.kind === 'tree') {
      trees.push(place);
      bytes += found.size;
    }
  }
  return { files, trees, bytes: files.reduce((sum, { size }) => sum + size, bytes) };
}

function listObject(
  files: readonly FilledFile[],
  trees: readonly string[],
  owner: Owner,
): KubernetesObject {
  const lines = files.map(({ path, size, sha256 }) => `${sha256} ${size} ${path}\n`).join('');
  if (Buffer.byteLength(lines) > MAX_LIST_BYTES)
    throw new StowageError('site-invalid', `release ${owner.release} has too many files`, {
      expected: `a list of files of at most ${exactBytes(MAX_LIST_BYTES)}`,
      found: counted(files.length, 'file'),
      hint: 'set kubernetes.weights to image-volume or local in site.yaml, or fill the claim yourself',
    });
  const data = {
    'fill.sh': fillScript,
    files: lines,
    trees: trees.map((each) => `${each}\n`).join(''),
  };
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: objectName(owner, 'fill', contentDigest(data)),
      namespace: owner.namespace,
      labels: releaseLabels(owner),
    },
    immutable: true,
    data,
  };
}

interface FillPod {
  readonly items: readonly Item[];
  readonly service: Service;
  readonly input: RenderInput;
  readonly owner: Owner;
  readonly target: string;
  readonly list: KubernetesObject;
  readonly pullSecret: string | undefined;
}

/** A `restricted` pod. What removes content mounts no image: these may be gone by then. */
function fillPod(of: FillPod): (args: readonly string[]) => Readonly<Record<string, unknown>> {
  const { items, service, input, owner, target, list, pullSecret } = of;
  const settings = settingsOf(input);
  const { runtimeClass, priorityClass } = settings;
  const sources = items.map((item, index) => ({
    volume: {
      name: `source-${index}`,
      image: { reference: carImage(item.name, input), pullPolicy: 'IfNotPresent' },
    },
    mount: {
      ...{ name: `source-${index}`, mountPath: `${SOURCE_FOLDER}/${placeOf(item)}` },
      readOnly: true,
      ...(item.folder === 'models' || item.file !== undefined ? { subPath: 'models' } : {}),
    },
  }));
  return (args) => {
    const mounted = args[0] === 'fill' ? sources : [];
    return {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      restartPolicy: 'Never',
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['127.0.0.1'] },
      ...(pullSecret === undefined ? {} : { imagePullSecrets: [{ name: pullSecret }] }),
      ...placementOf(settings, input.platform),
      ...(runtimeClass === undefined ? {} : { runtimeClassName: runtimeClass }),
      ...(priorityClass === undefined ? {} : { priorityClassName: priorityClass }),
      securityContext: {
        ...podSecurity({ ...service, network: 'bridge' }, settings),
        fsGroupChangePolicy: 'OnRootMismatch',
      },
      containers: [
        {
          name: 'fill',
          image: fillImage(service, input, owner),
          imagePullPolicy: 'IfNotPresent',
          command: ['/bin/sh', `${SCRIPT_FOLDER}/fill.sh`],
          args,
          env: [
            { name: 'STOWAGE_FOLDER', value: folderOf(input.bundle) },
            { name: KEEP_VARIABLE, value: '' },
            { name: 'STOWAGE_OWNER', value: `${owner.site} ${owner.release}` },
          ],
          resources: {
            requests: { cpu: '100m', memory: '256Mi' },
            limits: { cpu: '2', memory: '256Mi' },
          },
          securityContext: {
            ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
            capabilities: { drop: ['ALL'] },
          },
          terminationMessagePolicy: 'FallbackToLogsOnError',
          volumeMounts: [
            { name: 'target', mountPath: TARGET_FOLDER },
            { name: 'script', mountPath: SCRIPT_FOLDER, readOnly: true },
            ...mounted.map(({ mount }) => mount),
          ],
        },
      ],
      volumes: [
        { name: 'target', persistentVolumeClaim: { claimName: target } },
        { name: 'script', configMap: { name: list.metadata.name } },
        ...mounted.map(({ volume }) => volume),
      ],
    };
  };
}

/** The image that the site names, if this release has it; else that of the service, which the node needs anyway. */
function fillImage(service: Service, input: RenderInput, owner: Owner): string {
  const { images } = input.bundle;
  const settings = settingsOf(input);
  const image =
    images.find(({ name }) => name === settings.fill?.image) ??
    images.find(({ name }) => name === service.image);
  if (image === undefined)
    throw new Error(`image ${service.image} passed the schema but does not exist`);
  const place = { release: owner.release, images: settings.images };
  return imageReference(image, input.platform, place);
}

/** Its name depends on its pod. A failure of the script ends it; the loss of a node does not. */
function jobObject(base: string, pod: object, owner: Owner): KubernetesObject {
  const name = objectName(owner, base, contentDigest(pod));
  const own: Record<string, string> = { ...releaseLabels(owner), [labels.specification]: name };
  const { [labels.partOf]: _, ...inherited } = own;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace: owner.namespace, labels: own },
    spec: {
      backoffLimit: 3,
      podFailurePolicy: {
        rules: [
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
          { action: 'FailJob', onExitCodes: { operator: 'NotIn', values: [0] } },
        ],
      },
      template: { metadata: { labels: inherited }, spec: pod },
    },
  };
}

function claimObject(
  name: string,
  bytes: number,
  input: RenderInput,
  owner: Owner,
): KubernetesObject {
  const { storageClass = '', accessMode } = settingsOf(input);
  const storage = `${Math.ceil((bytes * 1.02 + SPARE_BYTES) / MIB)}Mi`;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace: owner.namespace, labels: releaseLabels(owner) },
    spec: {
      accessModes: [accessMode],
      storageClassName: storageClass,
      resources: { requests: { storage } },
    },
  };
}
