import { canonicalJson, fieldsOf, type Json, textOf } from '../../core/json.ts';
import { memoryBytes } from '../../examine/bytes.ts';
import { Findings } from '../../examine/findings.ts';
import { findSecrets } from '../../examine/secrets.ts';
import type { Finding } from '../../format/finding.ts';
import { type RenderedObject, walk } from '../../format/rendered-objects.ts';
import { named } from './render.ts';
import type { RenderedItem } from './render-release.ts';

/**
 * What rendered objects contain that a site does not have or must not get: references of images that the bundle does not
 * contain, hosts elsewhere, and secrets.
 * @returns findings, sorted
 * @throws StowageError `content-refused`, listing all that the manifest does not allow
 */
export async function examineObjects(items: readonly RenderedItem[]): Promise<Finding[]> {
  const findings = new Findings();
  for (const { name, source, objects, uncarried } of items) {
    const allow = source.allow ?? [];
    for (const { reference, object, from, path } of uncarried)
      findings.add(
        { source: name, file: from, allow },
        'object-image',
        `${object} has ${reference} at ${path}, an image that the bundle does not contain`,
      );
    for (const each of objects) {
      const place = { source: name, file: each.from, allow };
      for (const host of hostsIn(each.object))
        findings.add(place, 'object-host', `${named(each.object)} names the host ${host}`);
      for (const rule of await secretsIn(each))
        findings.add(place, rule, `${named(each.object)} contains a secret`);
    }
  }
  return findings.settle();
}

const URL_HOST =
  /\b[a-z][a-z0-9+.-]{0,30}:\/\/(?:[^\s/@"'<>]+@)?([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)/g;
/** Public registries in a name without a tag, which cannot be told from other texts by its form. */
const REGISTRY =
  /(?<![\w./@-])((?:docker|quay|ghcr|gcr|nvcr)\.io|(?:[a-z0-9-]+\.)+(?:gcr\.io|pkg\.dev)|registry\.k8s\.io|public\.ecr\.aws|mcr\.microsoft\.com)\/[a-z0-9]/g;
/** Names that only the cluster resolves, and addresses of private networks. */
const OF_CLUSTER =
  /^[^.]+$|\.(?:svc|local|localhost|internal)$|\.svc\.|^(?:127|10|169\.254|192\.168|172\.(?:1[6-9]|2[0-9]|3[01]))\.[0-9.]+$|^0\.0\.0\.0$/;

/** The hosts in the addresses of an object, unless only the cluster has them. Descriptions are for people. */
function hostsIn(object: { readonly [member: string]: Json }): string[] {
  if (object['kind'] === 'CustomResourceDefinition') return [];
  const hosts = new Set<string>();
  walk(object, [], (value, path) => {
    if (typeof value !== 'string' || path.at(-1) === 'description') return;
    for (const [, host = ''] of [...value.matchAll(URL_HOST), ...value.matchAll(REGISTRY)])
      if (!OF_CLUSTER.test(host)) hosts.add(host.toLowerCase());
  });
  return [...hosts].toSorted();
}

async function secretsIn({ object }: RenderedObject): ReturnType<typeof findSecrets> {
  const texts = [canonicalJson(object)];
  if (object['kind'] === 'Secret')
    for (const value of Object.values(fieldsOf(object['data'])))
      texts.push(Buffer.from(textOf(value, 1_500_000) ?? '', 'base64').toString('latin1'));
  return findSecrets(memoryBytes(Buffer.from(texts.join('\n'))));
}
