import * as z from 'zod';
import type { Json } from '../core/json.ts';
import { MAX_CONTROL_FILE_BYTES, MIB } from '../core/limits.ts';
import { type DocumentKind, newerHints, schemaMember } from './document.ts';
import * as field from './field.ts';
import { exact } from './field.ts';
import { partName } from './optional.ts';

/** One line of an apply journal: a step that was started or finished. */
export interface JournalEntry {
  readonly step: number;
  readonly state: 'begun' | 'done' | 'undoing' | 'undone';
}

const journalSchema: z.ZodType<JournalEntry> = exact(
  z.strictObject({
    step: z.int().min(1),
    state: z.enum(['begun', 'done', 'undoing', 'undone']),
  }),
);

export const journalKind: DocumentKind<JournalEntry> = {
  name: 'journal entry',
  versionIn: schemaMember('journal-entry', 2),
  code: 'state-damaged',
  schema: journalSchema,
  maxBytes: 4096,
  hint: 'restore the folder apply of the site from its backup; stowage status shows which services run',
  newerHint: newerHints.site,
};

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

const stoppedSchema: z.ZodType<StoppedServices> = field.exact(
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
  schema: stoppedSchema,
  maxBytes: 4 * MIB,
  hint: 'delete stopped.json in the site folder, then stop the services again that are to stay stopped',
  newerHint: newerHints.site,
};

/** A file of a site that was damaged or missing when all of them were last verified. */
export interface DamagedFile {
  /** Relative to the site's folder. */
  readonly path: string;
  /** What it is, such as `model.safetensors of model chat`. */
  readonly what: string;
  /** `name version` of a release that it belongs to. */
  readonly release?: string;
  readonly verdict: 'damaged' | 'missing';
  /** The file as it was then: it changes when the file is replaced. Absent for a missing one. */
  readonly mark?: string;
}

/** What the last verification of a site's files found. */
export interface StoreDamage {
  readonly schema: 'stowage/store-damage/v1';
  readonly at: string;
  readonly files: readonly DamagedFile[];
}

/** More are not listed: the first are enough to find the disk. */
export const MAX_DAMAGED_FILES = 10_000;

export const MAX_DAMAGE_TEXT = 4096;

const text = z.string().min(1).max(MAX_DAMAGE_TEXT);

const damageSchema: z.ZodType<StoreDamage> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/store-damage/v1'),
    at: field.moment,
    files: z
      .array(
        z.strictObject({
          path: text,
          what: text,
          release: text.exactOptional(),
          verdict: z.enum(['damaged', 'missing']),
          mark: text.exactOptional(),
        }),
      )
      .min(1)
      .max(MAX_DAMAGED_FILES),
  }),
);

export const storeDamageKind: DocumentKind<StoreDamage> = {
  name: 'list of damaged files',
  versionIn: schemaMember('store-damage'),
  code: 'state-damaged',
  schema: damageSchema,
  maxBytes: 64 * MIB,
  hint: 'delete damaged.json in the site folder, and run stowage store verify',
  newerHint: newerHints.site,
};

/** Which versions the documents of a site's folder may have: what a program reads before anything else in it. */
export interface SiteFormat {
  readonly schema: 'stowage/site-format/v1';
  /** The newest version of each kind of document that may be there, such as `generation: 1`. */
  readonly versions: Readonly<Record<string, number>>;
  /** Whether documents of older versions, which are to be rewritten, may still be there. */
  readonly converting: boolean;
}

const formatSchema: z.ZodType<SiteFormat> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/site-format/v1'),
    versions: z.record(field.name, z.int().min(1).max(999_999_999)),
    converting: z.boolean(),
  }),
);

export const siteFormatKind: DocumentKind<SiteFormat> = {
  name: 'site format',
  versionIn: schemaMember('site-format'),
  code: 'state-damaged',
  schema: formatSchema,
  maxBytes: 4096,
  hint: 'restore format.json of the site folder from its backup',
  newerHint: newerHints.site,
};

/** Which optional parts of a release a site has, or is to have. */
export interface ChosenPartsRecord {
  readonly schema: 'stowage/chosen-parts/v1';
  /** Such as `model/large`, sorted. */
  readonly parts: readonly string[];
}

const chosenPartsSchema: z.ZodType<ChosenPartsRecord> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/chosen-parts/v1'),
    parts: z.array(partName).max(1000),
  }),
);

export const chosenPartsKind: DocumentKind<ChosenPartsRecord> = {
  name: 'list of chosen parts',
  versionIn: schemaMember('chosen-parts'),
  code: 'state-damaged',
  schema: chosenPartsSchema,
  maxBytes: MIB,
  hint: 'import the bundle of the release again',
  newerHint: newerHints.site,
};

/** An object of a cluster as it was before a release took it over. */
export interface ReplacedObject {
  /** The change that took it over: SHA-256 of the set that it applied, 64 hex digits. */
  readonly change: string;
  readonly object: { readonly [member: string]: Json };
}

/** What one set of objects of a release found in the cluster. */
export interface ReplacedBySet {
  readonly release: string;
  readonly set: string;
  /** The changes that looked for objects to replace before their first write. */
  readonly changes: readonly string[];
  readonly objects: readonly ReplacedObject[];
}

/** The original state of adopted objects, by which an uninstall restores them: `replaced-objects.json` of a site. */
export interface ReplacedObjects {
  readonly schema: 'stowage/replaced-objects/v1';
  readonly sets: readonly ReplacedBySet[];
}

const bySet: z.ZodType<ReplacedBySet> = field.exact(
  z.strictObject({
    release: field.name,
    set: field.name,
    changes: z.array(field.hex(64)).max(10_000),
    objects: z
      .array(
        z.strictObject({
          change: field.hex(64),
          object: z.record(z.string(), z.json()) as unknown as z.ZodType<Record<string, Json>>,
        }),
      )
      .max(100_000),
  }),
);

const replacedSchema: z.ZodType<ReplacedObjects> = field.exact(
  z.strictObject({
    schema: z.literal('stowage/replaced-objects/v1'),
    sets: z.array(bySet).max(10_000),
  }),
);

export const replacedObjectsKind: DocumentKind<ReplacedObjects> = {
  name: 'replaced-objects.json',
  versionIn: schemaMember('replaced-objects'),
  code: 'state-damaged',
  schema: replacedSchema,
  maxBytes: MAX_CONTROL_FILE_BYTES,
  hint: 'restore replaced-objects.json of the site folder from its backup',
  newerHint: newerHints.site,
};
