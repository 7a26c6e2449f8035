import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from '../../core/json.ts';
import type { KubernetesSite } from '../../format/kubernetes-site.ts';

/** The field manager of everything that is applied. */
export const MANAGER = 'stowage';

/** Labels by which the objects of a site, of a release and of a service are found. */
export const labels = {
  managedBy: 'app.kubernetes.io/managed-by',
  name: 'app.kubernetes.io/name',
  instance: 'app.kubernetes.io/instance',
  site: 'stowage.dev/site',
  release: 'stowage.dev/release',
  service: 'stowage.dev/service',
  specification: 'stowage.dev/specification',
  /** `leader` or `worker`, of the pods of a service that spans several nodes. */
  role: 'stowage.dev/role',
  /** KEP-3659. */
  partOf: 'applyset.kubernetes.io/part-of',
  applySet: 'applyset.kubernetes.io/id',
} as const;

/** Annotations of objects of a site. */
export const annotations = {
  /** Of an object that existed before a release adopted it. */
  adopted: 'stowage.dev/taken-over',
} as const;

const MAX_NAME = 63;

/** The owner of an object. */
export interface Owner {
  readonly site: string;
  readonly release: string;
  readonly namespace: string;
  /** Whether the namespace has only this release. */
  readonly ownsNamespace: boolean;
}

/** An object before its content gave it a name. */
export interface Unnamed {
  readonly apiVersion: string;
  readonly kind: string;
  readonly [member: string]: unknown;
}

/** The labels of every object of a release. */
export function releaseLabels(owner: Owner): Record<string, string> {
  return {
    [labels.managedBy]: MANAGER,
    [labels.instance]: owner.release,
    [labels.site]: owner.site,
    [labels.release]: owner.release,
    [labels.partOf]: applySetId(owner),
  };
}

/** What selects the pods of a release. */
export function releaseSelector({
  site,
  release,
}: Pick<Owner, 'site' | 'release'>): Record<string, string> {
  return { [labels.site]: site, [labels.release]: release };
}

/** The labels by which the pods of one object are found. */
export function podSelector(
  name: string,
  { site, release }: Pick<Owner, 'site' | 'release'>,
): Record<string, string> {
  return {
    [labels.site]: site,
    [labels.release]: release,
    [labels.specification]: name,
  };
}

/** The name of the ConfigMap that is the parent of the release's ApplySet. */
export function parentName({ release, ownsNamespace }: Owner): string {
  return ownsNamespace ? 'stowage' : `stowage-${release}`.slice(0, MAX_NAME);
}

/** KEP-3659: `applyset-<base64url(sha256(name.namespace.kind.group))>-v1`. */
export function applySetId(owner: Owner): string {
  const of = `${parentName(owner)}.${owner.namespace}.ConfigMap.`;
  return `applyset-${createHash('sha256').update(of).digest('base64url')}-v1`;
}

/** 8 hex digits that depend on the content. */
export function contentDigest(content: unknown): string {
  const bytes = canonicalJson(content as Json);
  return createHash('sha256').update(bytes).digest('hex').slice(0, 8);
}

/** A name for an object of a release: RFC 1035, at most 63 characters, with what distinguishes it at its end. */
export function objectName(
  owner: Owner,
  base: string,
  suffix = '',
  max: number = MAX_NAME,
): string {
  const full = owner.ownsNamespace ? base : `${owner.release}-${base}`;
  const letter = /^[a-z]/.test(full) ? full : `s-${full}`;
  const end = suffix === '' ? '' : `-${suffix}`;
  if (letter.length + end.length <= max) return `${letter}${end}`;
  const short = createHash('sha256').update(letter).digest('hex').slice(0, 6);
  return `${letter.slice(0, max - end.length - 7)}-${short}${end}`;
}

/** The nodes of a site's pods. @param platform such as `linux/amd64` */
export function placementOf(
  { nodeSelector, tolerations }: KubernetesSite,
  platform: string,
): Readonly<Record<string, unknown>> {
  const [os = 'linux', architecture = 'amd64'] = platform.split('/');
  return {
    nodeSelector: { 'kubernetes.io/os': os, 'kubernetes.io/arch': architecture, ...nodeSelector },
    ...(tolerations.length === 0 ? {} : { tolerations }),
  };
}
