import { join } from 'node:path';
import { readValue } from '../../format/document.ts';
import type { Rehearsal } from '../../format/rehearsal.ts';
import { type Site, siteKind } from '../../format/site.ts';
import { readNamed, writeAtomic } from '../../io/file.ts';
import { SITE_NAME, signedRehearsal } from '../../site/rehearsal/throwaway-site.ts';
import type { SiteFolder } from '../../site/site-folder.ts';

export interface RehearseOptions {
  readonly target: string;
  readonly output?: string;
  readonly settings?: string;
  readonly work?: string;
  readonly watch: number;
  readonly store?: string;
  /** On a cluster: where the depot of the rehearsal listens, and its certificate and key. */
  readonly listen?: string;
  readonly tlsCertificate?: string;
  readonly tlsKey?: string;
}

/** A rehearsal in the folder of its throw-away site, from which the command takes it. */
export const rehearsalFiles = { document: 'rehearsal.json', signature: 'rehearsal.p7s' } as const;

/** Writes a rehearsal with the signature of its throw-away site. */
export async function keepSigned(
  rehearsal: Rehearsal,
  site: SiteFolder,
  work: string,
  now: Date,
): Promise<void> {
  const { bytes, signature } = await signedRehearsal(rehearsal, site, now);
  await writeAtomic(join(work, rehearsalFiles.signature), signature);
  await writeAtomic(join(work, rehearsalFiles.document), bytes);
}

/**
 * The `site.yaml` of `--settings`, whose name does not matter.
 * @returns undefined without one
 * @throws StowageError `site-invalid`, `file-missing`
 */
export async function readSettings(file: string | undefined): Promise<Site | undefined> {
  if (file === undefined) return undefined;
  const bytes = await readNamed(file, siteKind.maxBytes);
  const { parseYaml } = await import('../../format/yaml-document.ts');
  const { value, ...reading } = parseYaml(siteKind, bytes, file);
  return readValue(siteKind, { name: SITE_NAME, ...(value as object) }, reading);
}
