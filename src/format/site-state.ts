import { z } from 'zod';
import { MAX_CONTROL_FILE_BYTES } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import * as field from './field.ts';

export interface Acceptance {
  readonly product: string;
  readonly channel: string;
  /** The highest sequence number accepted. */
  readonly seq: number;
  /** The bundle accepted at it. */
  readonly bundle: string;
}

/** What a site remembers of what it admitted, so that nothing older comes back. */
export interface SiteState {
  readonly schema: 'stowage/site-state/v1';
  readonly accepted: readonly Acceptance[];
  /** The newest signed time seen; the clock cannot be before it. */
  readonly floor: string;
}

const schema: z.ZodType<SiteState> = z.strictObject({
  schema: z.literal('stowage/site-state/v1'),
  accepted: z.array(
    z.strictObject({
      product: field.name,
      channel: field.name,
      seq: field.sequence,
      bundle: field.hex(128),
    }),
  ),
  floor: field.moment,
});

export const siteStateKind: DocumentKind<SiteState> = {
  name: 'site state',
  code: 'state-damaged',
  schema,
  maxBytes: MAX_CONTROL_FILE_BYTES,
  hint: 'restore state.json of the site from its backup; do not delete it: it stops older releases from coming back',
};
