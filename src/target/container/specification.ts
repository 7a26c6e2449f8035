import { createHash } from 'node:crypto';
import { canonicalBytes, type Json } from '../../core/canonical-json.ts';
import type { RenderedService } from '../../format/containers.ts';

/** SHA-256 of the service's canonical JSON, 64 hex digits: two services with one specification run alike. */
export function specificationOf(service: RenderedService): string {
  const bytes = canonicalBytes(service as unknown as Json);
  return createHash('sha256').update(bytes).digest('hex');
}
