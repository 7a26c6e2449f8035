import { isDeepStrictEqual } from 'node:util';
import { type AdmittedNotice, admitNotice } from '../../bundle/notice/admit-notice.ts';
import { receiveNotice } from '../../bundle/stream/notice-stream.ts';
import { momentOf } from '../../format/field.ts';
import type { LedgerEvent, SiteRecall } from '../../format/ledger.ts';
import type { Notice } from '../../format/notice.ts';
import { remove } from '../../io/file.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { keepTrust } from '../ledger/site-ledger.ts';
import { laterOf, type SiteState, stateOf } from '../ledger/site-state.ts';
import { approvedPlanPath, type KeptAdvisory, settleNotices, storePending } from '../notices.ts';
import type { ImportOptions } from './import.ts';

/** What a site learned from a notice. */
export interface ImportedNotice {
  /** SHA-512 of its `SHA512SUMS`, 128 hex digits. */
  readonly id: string;
  readonly notice: Notice;
  /** Whether the site had imported it before: nothing was recorded. */
  readonly known: boolean;
  /** The version of a trust document that the site did not have. */
  readonly trust?: number;
  readonly recalls: readonly SiteRecall[];
  readonly promotions: readonly Promoted[];
  readonly approvals: readonly { readonly digest: string; readonly path: string }[];
  readonly advisories: readonly KeptAdvisory[];
}

type Promoted = Omit<Extract<LedgerEvent, { kind: 'promoted' }>, 'kind' | 'notice'>;

/**
 * Admits a notice, and records what it says: trust document, recalls, promotions, and last the notice itself. Until that last
 * entry nothing is reported as imported, and a killed import is run again. Running services are unchanged. The caller holds the
 * site's lock and its ledger.
 * @throws StowageError what {@link admitNotice} throws; `trust-conflict`, `io-failed`
 */
export async function importNotice(
  folder: string,
  ledger: Ledger,
  options: ImportOptions,
): Promise<ImportedNotice> {
  const { site } = options;
  const state = stateOf(ledger.entries);
  const admitted = await admitAtSite(folder, state, options);
  const { id, notice, known, contents } = admitted;
  const recalls = contents.recalls.map(({ release, versions, reason, strategy }) => ({
    ...{ release, versions, reason, strategy },
  }));
  const promotions = contents.promotions.map(({ promotion: { release, version, bundle, to } }) => ({
    ...{ release, version, bundle, channel: to },
  }));
  const pinned = await site.trust();
  if (!known) await record(admitted, { state, recalls, promotions }, ledger, options);
  const { issuer, serial } = notice;
  return {
    ...{ id, notice, known, recalls, promotions },
    ...(known || pinned?.version === admitted.trust.version
      ? {}
      : { trust: admitted.trust.version }),
    approvals: contents.approvals.map(({ digest, path }) => ({
      digest,
      path: approvedPlanPath(site, id, path),
    })),
    advisories: contents.advisories.map(({ path: _, ...each }) => ({ ...each, issuer, serial })),
  };
}

/**
 * Imports a notice that arrives through a pipe, as `stowage stream` writes it. It is written to a private folder of the site first,
 * which is removed whatever happens.
 * @throws StowageError `stream-refused`, `stream-ended`, and as {@link importNotice}
 */
export async function importPipedNotice(
  chunks: AsyncIterable<Uint8Array>,
  ledger: Ledger,
  options: ImportOptions,
): Promise<ImportedNotice> {
  const folder = options.site.path('staging', '.piped');
  try {
    await receiveNotice(chunks, folder, options.signal);
    return await importNotice(folder, ledger, options);
  } finally {
    await remove(folder);
  }
}

async function admitAtSite(
  folder: string,
  state: SiteState,
  options: ImportOptions,
): Promise<AdmittedNotice> {
  const { site, emit, acceptAge } = options;
  // Read again under the lock: another command may have changed it.
  const trust = (await site.trust()) ?? options.trust;
  const { name, requireApproval } = await site.site();
  const policy = {
    ...{ site: name, notices: state.notices, requireApproval },
    ...(acceptAge === undefined ? {} : { acceptAge }),
  };
  const now = (): Date => laterOf(options.now(), state.floor, emit);
  return admitNotice(folder, { ...options, now, trust, policy });
}

interface News {
  readonly state: SiteState;
  readonly recalls: readonly SiteRecall[];
  readonly promotions: readonly Promoted[];
}

async function record(
  { id, notice, trust, signers, files }: AdmittedNotice,
  { state, recalls, promotions }: News,
  ledger: Ledger,
  { site, now, acceptAge }: ImportOptions,
): Promise<void> {
  await storePending(site, id, files);
  await keepTrust(site, ledger, trust, now());
  if (acceptAge !== undefined)
    await ledger.append({ kind: 'override', bundle: id, reason: acceptAge }, now());
  for (const each of recalls) {
    if (state.recalls.some((known) => isDeepStrictEqual(known, each))) continue;
    await ledger.append({ kind: 'recalled', ...each, bundle: id }, now());
  }
  for (const each of promotions) {
    if (
      state.promoted.some(
        ({ bundle, channel }) => bundle === each.bundle && channel === each.channel,
      )
    )
      continue;
    await ledger.append({ kind: 'promoted', ...each, notice: id }, now());
  }
  const times = signers.filter((each) => each.counted).map((each) => momentOf(each.signingTime));
  const signedAt = times.toSorted().at(-1) ?? state.floor;
  const { issuer, serial } = notice;
  await ledger.append({ kind: 'noticed', issuer, serial, notice: id, signedAt }, now());
  await settleNotices(site, ledger.entries);
}
