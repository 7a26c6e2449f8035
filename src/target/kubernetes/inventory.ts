import { fieldsOf, textOf } from '../../core/json.ts';
import type { Cluster, Found, Named, Reader, Selection } from './api/cluster.ts';
import { isForbidden } from './api/failure.ts';
import type { Kind } from './api/kinds.ts';
import { labels } from './labels.ts';

/** The kinds of which a site can have many objects. */
const KINDS = [
  'ConfigMap',
  'Deployment',
  'Namespace',
  'NetworkPolicy',
  'Pod',
  'Service',
] as const satisfies readonly Kind[];

/**
 * All objects of a site as they are now: one list of each kind by the site's label, in pages, instead of a request for each
 * object. A kind that the account may not list everywhere is read one object at a time.
 * @param namespace where the site has all its objects; absent for a site with several namespaces
 */
export async function siteInventory(
  cluster: Cluster,
  { site, namespace }: { readonly site: string; readonly namespace?: string },
  signal: AbortSignal,
): Promise<Reader> {
  const byKind = new Map<Kind, Map<string, Found>>();
  await Promise.all(
    KINDS.map(async (kind) => {
      const objects = new Map<string, Found>();
      const where = namespace === undefined ? {} : { namespace };
      try {
        for await (const found of cluster.list(
          { kind, ...where, labels: { [labels.site]: site } },
          signal,
        ))
          objects.set(textKey(found), found);
        byKind.set(kind, objects);
      } catch (error) {
        if (!isForbidden(error)) throw error;
      }
    }),
  );
  return {
    async get(named, by) {
      const found = byKind.get(named.kind)?.get(nameKey(named));
      // An object without our label has another owner, or lost it: only the server knows.
      return found ?? cluster.get(named, by);
    },
    async *list(selection, by) {
      const objects = byKind.get(selection.kind);
      if (objects === undefined || selection.fields !== undefined)
        yield* cluster.list(selection, by);
      else for (const found of objects.values()) if (isSelected(found, selection)) yield found;
    },
  };
}

function isSelected(found: Found, { namespace, labels: wanted = {} }: Selection): boolean {
  const metadata = fieldsOf(found['metadata']);
  const has = fieldsOf(metadata['labels']);
  return (
    (namespace === undefined || metadata['namespace'] === namespace) &&
    Object.entries(wanted).every(([key, value]) => has[key] === value)
  );
}

function textKey(found: Found): string {
  const { namespace, name } = fieldsOf(found['metadata']);
  return `${textOf(namespace) ?? ''}/${textOf(name) ?? ''}`;
}

function nameKey({ namespace = '', name }: Named): string {
  return `${namespace}/${name}`;
}
