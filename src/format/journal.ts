import * as z from 'zod';
import type { DocumentKind } from './document.ts';
import { exact } from './exact.ts';
import { newerHints, schemaMember } from './version.ts';

/** One line of an apply journal: a step that was started or finished. */
export interface JournalEntry {
  readonly step: number;
  readonly state: 'begun' | 'done' | 'undoing' | 'undone';
}

const schema: z.ZodType<JournalEntry> = exact(
  z.strictObject({
    step: z.int().min(1),
    state: z.enum(['begun', 'done', 'undoing', 'undone']),
  }),
);

export const journalKind: DocumentKind<JournalEntry> = {
  name: 'journal entry',
  versionIn: schemaMember('journal-entry', 2),
  code: 'state-damaged',
  schema,
  maxBytes: 4096,
  hint: 'restore the folder apply of the site from its backup; stowage status shows which services run',
  newerHint: newerHints.site,
};
