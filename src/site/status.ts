import { StowageError } from '../core/error.ts';
import { momentOf } from '../format/field.ts';
import type { LedgerEntry } from '../format/ledger.ts';
import type { Override } from '../format/override.ts';
import type { Generation, GenerationSummary } from '../format/plan.ts';
import { exists } from '../io/file.ts';
import { lockHolder } from '../io/lock-file.ts';
import { currentGeneration, keptGenerations } from './generations.ts';
import { type LedgerDamage, readLedger, surveyLedger } from './ledger/site-ledger.ts';
import { type ImportedNotice, stateOf } from './ledger/site-state.ts';
import { type KeptAdvisory, siteAdvisories } from './notices.ts';
import { validOverrides } from './planning/constraints/override.ts';
import { loadRelease, partsNotRun } from './release/release.ts';
import {
  type Untrusted,
  untrustedReleases,
  type Withdrawn,
  withdrawnReleases,
} from './release/withdrawn.ts';
import { type ReleaseScan, scansOf } from './release-scans.ts';
import { type ServiceStatus, serviceStatus } from './service-status.ts';
import type { SiteContext, SiteFolder } from './site-folder.ts';
import { findService, stoppedServices } from './stopped.ts';
import { type KnownDamage, knownDamage } from './store-damage.ts';

export interface SiteStatus extends Withdrawn {
  readonly site: string;
  readonly root: string;
  readonly generation: Generation;
  /** The kept generations, ascending. */
  readonly generations: readonly number[];
  /** The same, with their releases. */
  readonly kept: readonly GenerationSummary[];
  /** Why the last installation of an imported release failed, by the id of its bundle. */
  readonly failed: Readonly<Record<string, string>>;
  /** The optional parts that the installed releases do without; no entry for one that has all of its own. */
  readonly leftOut: readonly LeftOutParts[];
  readonly services: readonly ServiceStatus[];
  /** Why connections of the services are not restricted; absent where that is not known, and without services. */
  readonly notRestricted?: string;
  /** The overrides of failed checks that are valid now. */
  readonly overrides: readonly Override[];
  /** The newest notice of each issuer that was imported. */
  readonly notices: readonly ImportedNotice[];
  /** The newest advisory about each component; absent if a stored notice was changed. */
  readonly advisories?: readonly KeptAdvisory[];
  /** Whether each installed release was scanned for vulnerabilities; absent if a stored notice was changed. */
  readonly scans?: readonly ReleaseScan[];
  /** The process of another command that is changing the site now. */
  readonly busy?: number;
  /** Whether the next command must finish or undo the plan of a killed one. */
  readonly interrupted: boolean;
  /** Files that the last verification of all files found damaged and that are still the same. */
  readonly damage?: KnownDamage;
  /** Set for a damaged ledger: `recalled` and `failed` are then of what can be read, and may lack something. */
  readonly ledgerDamage?: LedgerDamage;
}

/** The optional parts that an installed release does without. */
export interface LeftOutParts {
  readonly release: string;
  /** SHA-512 of the bundle's `SHA512SUMS`, 128 hex digits. */
  readonly bundle: string;
  readonly parts: readonly string[];
}

/** The state of a site and of its services now. Changes nothing. */
export async function siteStatus({
  site,
  target,
  signal,
  now,
  env = {},
}: Omit<SiteContext, 'emit'>): Promise<SiteStatus> {
  const generation = await currentGeneration(site);
  const stopped = await stoppedServices(site, generation);
  const all = generation.releases.flatMap((release) =>
    target.services(release).map((service) => ({ release, service })),
  );
  const of = all.map(({ release, service: { name } }) => ({ release, service: name }));
  const states = await target.states?.(of, signal);
  const services = await Promise.all(
    all.map(async ({ release, service }, index) => {
      const found = findService(stopped, { release: release.name, service: service.name });
      const status = await serviceStatus(release, service, {
        ...{ site, target, env, signal },
        known: states?.[index],
      });
      return found === undefined ? status : { ...status, stoppedAt: found.at };
    }),
  );
  const notRestricted = all.length === 0 ? undefined : await target.notRestricted?.(signal);
  const kept = await keptGenerations(site);
  const { entries, damage } = await surveyLedger(site);
  const withdrawn = await withdrawnAt({ site, kept, entries }, now());
  const found = await knownDamage(site);
  const state = stateOf(entries);
  const advisories = await siteAdvisories(site, entries).catch((error: unknown) => {
    if (error instanceof StowageError) return undefined;
    throw error;
  });
  const busy = await lockHolder(site.path('lock'));
  return {
    site: (await site.site()).name,
    root: site.root,
    generation,
    generations: kept.map(({ number }) => number),
    kept,
    failed: failedInstalls(entries),
    leftOut: await leftOutParts(site, generation),
    services,
    ...(notRestricted === undefined ? {} : { notRestricted }),
    ...withdrawn,
    overrides: validOverrides(state.overrides, momentOf(now())),
    notices: state.notices,
    ...(advisories === undefined
      ? {}
      : { advisories, scans: scansOf(generation.releases, advisories) }),
    ...(busy === undefined ? {} : { busy }),
    // The plan of a running command is not interrupted.
    interrupted: busy === undefined && (await exists(site.path('apply', 'plan.json'))),
    ...(found === undefined ? {} : { damage: found }),
    ...(damage === undefined ? {} : { ledgerDamage: damage }),
  };
}

/** What installed releases do without. A release whose stored index is damaged is reported elsewhere. */
async function leftOutParts(
  site: SiteFolder,
  { releases }: Generation,
): Promise<readonly LeftOutParts[]> {
  const found: LeftOutParts[] = [];
  for (const { name, bundle, with: chosen } of releases) {
    if (chosen === undefined) continue;
    const stored = await loadRelease(site, bundle).catch((error: unknown) => {
      if (error instanceof StowageError) return undefined;
      throw error;
    });
    const parts = stored === undefined ? [] : partsNotRun(stored, chosen);
    if (parts.length > 0) found.push({ release: name, bundle, parts });
  }
  return found;
}

/** The kept generations of a site and the entries of its ledger, as they were read. */
export interface SiteRecord {
  readonly site: SiteFolder;
  readonly kept: readonly GenerationSummary[];
  readonly entries: readonly LedgerEntry[];
}

/** What was withdrawn at a site. A trust document that cannot be read is a damage that {@link surveyLedger} reports. */
export async function withdrawnAt(
  { site, kept, entries }: SiteRecord,
  now: Date,
): Promise<Withdrawn> {
  const state = stateOf(entries);
  const ids = kept.flatMap(({ releases }) => releases.map(({ bundle }) => bundle));
  const untrusted = await untrustedReleases(site, ids, state, now).catch(
    (error: unknown): Untrusted => {
      if (error instanceof StowageError) return new Map();
      throw error;
    },
  );
  return withdrawnReleases(await currentGeneration(site), kept, state.recalls, untrusted);
}

/** The current releases of a site that were withdrawn. */
export async function withdrawnNow(site: SiteFolder, now: Date): Promise<Withdrawn> {
  const kept = await keptGenerations(site);
  return withdrawnAt({ site, kept, entries: (await readLedger(site)).entries }, now);
}

function failedInstalls(entries: readonly LedgerEntry[]): Record<string, string> {
  const failed = new Map<string, string>();
  for (const { at, event } of entries) {
    if (event.kind !== 'command' || event.release === undefined) continue;
    const { release, outcome, detail } = event;
    if (outcome === 'kept') failed.delete(release.bundle);
    else
      failed.set(
        release.bundle,
        `${outcome.replace('-', ' ')} at ${at}${detail === '' ? '' : `: ${detail}`}`,
      );
  }
  return Object.fromEntries(failed);
}
