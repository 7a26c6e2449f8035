import * as z from 'zod';
import { MIB } from '../core/limits.ts';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { newerHints, schemaMember } from './version.ts';

/** A service that a person stopped. Only a person starts it again. */
export interface StoppedService {
  readonly release: string;
  readonly service: string;
  /** When it was stopped. */
  readonly at: string;
}

/** The services of a site that were stopped on purpose. */
export interface StoppedServices {
  readonly schema: 'stowage/stopped-services/v1';
  readonly services: readonly StoppedService[];
}

const schema: z.ZodType<StoppedServices> = exact(
  z.strictObject({
    schema: z.literal('stowage/stopped-services/v1'),
    services: z
      .array(z.strictObject({ release: field.name, service: field.name, at: field.moment }))
      .max(10_000),
  }),
);

export const stoppedServicesKind: DocumentKind<StoppedServices> = {
  name: 'list of stopped services',
  versionIn: schemaMember('stopped-services'),
  code: 'state-damaged',
  schema,
  maxBytes: 4 * MIB,
  hint: 'delete stopped.json in the site folder, then stop the services again that are to stay stopped',
  newerHint: newerHints.site,
};
