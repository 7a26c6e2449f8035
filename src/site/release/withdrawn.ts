import { join } from 'node:path';
import { recallOf, strategyAgainst } from '../../bundle/admission/recall.ts';
import { readSignatures } from '../../bundle/bundle-files.ts';
import { StowageError } from '../../core/error.ts';
import { MAX_CHECKSUMS_BYTES } from '../../core/limits.ts';
import type { SiteRecall } from '../../format/ledger.ts';
import type {
  DeployedRelease,
  Generation,
  GenerationSummary,
  ReleaseSummary,
} from '../../format/plan.ts';
import type { Trust } from '../../format/trust.ts';
import { readBounded } from '../../io/file.ts';
import type { SiteState } from '../ledger/site-state.ts';
import type { SiteFolder } from '../site-folder.ts';
import { releaseFolder } from './release.ts';

/** Why each of these bundles is no longer trusted, by its id; the others are not in the map. */
export type Untrusted = ReadonlyMap<string, string>;

/**
 * The imported bundles with too few signers that the pinned trust document does not revoke. One whose stored signatures cannot
 * be verified is included. If the trust document revokes nothing, nothing is read.
 * @param ids of bundles, without those that are not at the site
 * @param clock the time of the command; the newest signed time that the site has seen counts if it is later
 * @throws StowageError `state-damaged`, `format-newer` for the trust document; `io-failed`
 */
export async function untrustedReleases(
  site: SiteFolder,
  ids: Iterable<string>,
  { floor }: Pick<SiteState, 'floor'>,
  clock: Date,
): Promise<Untrusted> {
  const trust = await site.trust();
  const found = new Map<string, string>();
  if (trust === undefined || trust.revoked.length === 0) return found;
  const { requireApproval } = await site.site();
  const now = new Date(Math.max(clock.getTime(), Date.parse(floor)));
  for (const id of new Set(ids)) {
    const reason = await reasonAgainst(releaseFolder(site, id), { trust, requireApproval, now });
    if (reason !== undefined) found.set(id, reason);
  }
  return found;
}

async function reasonAgainst(
  folder: string,
  judging: { readonly trust: Trust; readonly requireApproval: boolean; readonly now: Date },
): Promise<string | undefined> {
  try {
    const content = await readBounded(join(folder, 'SHA512SUMS'), MAX_CHECKSUMS_BYTES);
    const signatures = await readSignatures(folder);
    const { revokedSigner } = await import('../../bundle/admission/approval.ts');
    const revoked = revokedSigner({ ...judging, signed: { content, signatures } });
    return revoked === undefined ? undefined : `its signer is revoked: ${revoked}`;
  } catch (error) {
    if (!(error instanceof StowageError) || error.code === 'io-failed') throw error;
    return `its stored signatures cannot be verified: ${error.message}`;
  }
}

/** An installed release that may not be installed any more, and what to do about it. */
export interface WithdrawnRelease {
  readonly name: string;
  readonly version: string;
  readonly reason: string;
  readonly remedy: string;
}

/** What may not be installed any more: by a recall, or because its signer is revoked. */
export interface Withdrawn {
  /** The current releases that were recalled. */
  readonly recalled: readonly WithdrawnRelease[];
  /** The current releases whose signer is revoked. */
  readonly untrusted: readonly WithdrawnRelease[];
  /** Why a release of any kept generation may not be installed, in a few words; undefined if it may. */
  readonly mark: (release: ReleaseSummary) => string | undefined;
}

/**
 * The releases of a generation that were withdrawn.
 * @param kept all generations of the site that a rollback can restore
 */
export function withdrawnReleases(
  running: Generation,
  kept: readonly GenerationSummary[],
  recalls: readonly SiteRecall[],
  untrusted: Untrusted,
): Withdrawn {
  const mark = (release: ReleaseSummary): string | undefined => {
    if (recallOf(release, recalls) !== undefined) return 'recalled';
    return untrusted.has(release.bundle) ? 'signer revoked' : undefined;
  };
  const withdrawn = (reasonOf: (release: DeployedRelease) => string | undefined) =>
    running.releases.flatMap((release): WithdrawnRelease[] => {
      const { name, version } = release;
      const reason = reasonOf(release);
      if (reason === undefined) return [];
      const allowed = kept.filter(({ releases }) =>
        releases.every(
          (each) => each.name !== name || strategyAgainst(release, each, recalls) === undefined,
        ),
      );
      return [{ name, version, reason, remedy: remedyFor(name, allowed, mark) }];
    });
  return {
    recalled: withdrawn((release) => recallOf(release, recalls)?.reason),
    untrusted: withdrawn(({ bundle }) => untrusted.get(bundle)),
    mark,
  };
}

function remedyFor(
  name: string,
  kept: readonly GenerationSummary[],
  mark: Withdrawn['mark'],
): string {
  const good = kept.findLast(
    (generation) =>
      generation.releases.some((each) => each.name === name) &&
      generation.releases.every((each) => mark(each) === undefined),
  );
  if (good === undefined)
    return `install a newer version of ${name}, or run "stowage uninstall ${name}"`;
  const version = good.releases.find((each) => each.name === name)?.version ?? '';
  return `run "stowage rollback --to ${good.number}" (${name} ${version}), or install a newer version`;
}
