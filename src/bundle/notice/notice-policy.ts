import { StowageError } from '../../core/error.ts';
import { MAX_SEQ_STEP } from '../../core/limits.ts';
import type { TakenNotice } from '../../format/ledger.ts';
import { type Notice, noticeName } from '../../format/notice.ts';

/** What a site requires of a notice besides valid signatures. */
export interface NoticePolicy {
  /** The name of the site. */
  readonly site: string;
  /** The newest notice of each issuer that the site has imported. */
  readonly notices: readonly TakenNotice[];
  /** Whether promotions need the signatures of the role `approval`, whatever they say themselves. */
  readonly requireApproval: boolean;
  /** The reason for accepting a notice that fails only the age check. */
  readonly acceptAge?: string;
}

/** @throws StowageError `release-foreign` for a notice to other sites */
export function requireForSite(notice: Notice, { site }: Pick<NoticePolicy, 'site'>): void {
  const { sites } = notice;
  if (sites === undefined || sites.includes(site)) return;
  throw new StowageError('release-foreign', `${noticeName(notice)} is not for this site`, {
    expected: `a notice for every site, or for ${site}`,
    found: `for ${sites.slice(0, 10).join(', ')}${sites.length > 10 ? `, and ${sites.length - 10} more` : ''}`,
    hint: 'check that this is the right medium; the name of this site is in site.yaml',
  });
}

/**
 * The checks of the sequence of bundles, for the serials of one issuer.
 * @returns whether exactly this notice is the newest that was imported
 * @throws StowageError `release-rollback`, `release-equivocation`, `release-leap`
 */
export function requireNewerNotice(
  notice: Notice,
  id: string,
  { notices }: Pick<NoticePolicy, 'notices'>,
): boolean {
  const last = notices.find(({ issuer }) => issuer === notice.issuer);
  const highest = last?.serial ?? 0;
  if (notice.serial > highest + MAX_SEQ_STEP)
    throw new StowageError('release-leap', `the serial of ${noticeName(notice)} is too far ahead`, {
      expected: `a serial up to ${highest + MAX_SEQ_STEP}`,
      found: `serial ${notice.serial}`,
      hint: 'ask the release engineer whether this serial is intended',
    });
  if (last === undefined || notice.serial > highest) return false;
  if (notice.serial < highest)
    throw new StowageError(
      'release-rollback',
      `${noticeName(notice)} is older than the last imported one`,
      {
        expected: `serial ${highest} or higher`,
        found: `serial ${notice.serial}`,
        hint: 'an older notice is never imported; if something in it is missing here, ask the release engineer for a new notice',
      },
    );
  if (id === last.notice) return true;
  throw new StowageError(
    'release-equivocation',
    `two different notices of ${notice.issuer} have serial ${notice.serial}`,
    {
      expected: last.notice,
      found: id,
      hint: 'stop and tell the security officer: the release engineer made at most one of the two',
    },
  );
}
