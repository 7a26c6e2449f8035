import { isDeepStrictEqual } from 'node:util';
import { type Fields, fieldsOf } from '../../../core/json.ts';
import type { Found } from '../api/cluster.ts';
import { metadataOf } from '../pods.ts';

/** Members of an object's metadata that the server sets, and that another object must not have. */
const OF_SERVER: ReadonlySet<string> = new Set([
  ...['uid', 'resourceVersion', 'generation', 'creationTimestamp', 'selfLink', 'managedFields'],
  ...['deletionTimestamp', 'deletionGracePeriodSeconds'],
]);

/** An object without what the server sets. Pure. */
export function contentOf({ status: _, ...content }: Found): Fields {
  const metadata = Object.entries(metadataOf(content)).filter(([name]) => !OF_SERVER.has(name));
  return { ...content, metadata: Object.fromEntries(metadata) };
}

/** Whether two states of an object differ at most in what the server sets, such as its status. Pure. */
export function sameContent(a: Found, b: Found): boolean {
  return isDeepStrictEqual(contentOf(a), contentOf(b));
}

/** The object with what the server needs to know that nobody changed it since. Pure. @param now the state that is replaced */
export function replacing(now: Found, object: Fields): Fields {
  const { resourceVersion } = metadataOf(now);
  return { ...object, metadata: { ...fieldsOf(object['metadata']), resourceVersion } };
}
