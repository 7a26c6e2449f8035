import { sriHex, sriOf } from '../../core/digest.ts';
import { StowageError } from '../../core/error.ts';
import { counted } from '../../core/text.ts';
import { readCanonical } from '../../format/document.ts';
import type { LedgerEntry, LedgerHead, LedgerUser } from '../../format/ledger.ts';
import { receiptKind } from '../../format/receipt.ts';
import { type Trust, trustBytes } from '../../format/trust.ts';
import { exists, namesIn, readBounded } from '../../io/file.ts';
import { currentGeneration, generationNumbers } from '../generations.ts';
import type { SiteFolder } from '../site-folder.ts';
import { type DamagedLedger, entriesBeforeDamage, Ledger } from './ledger.ts';

/**
 * A site's ledger, to append to, checked against the site's receipts and trust document. This detects a missing ledger or
 * an old copy. It does not detect that all of them were replaced together; a receipt kept elsewhere does.
 * @param by who appends to it
 * @throws StowageError `state-damaged`
 */
export async function openLedger(site: SiteFolder, by?: LedgerUser): Promise<Ledger> {
  const ledger = await Ledger.open(site.path('ledger'), await witnesses(site), by);
  return requirePresent(site, ledger);
}

/** Like {@link openLedger}, but writes nothing. */
export async function readLedger(site: SiteFolder): Promise<Ledger> {
  const ledger = await Ledger.read(site.path('ledger'), await witnesses(site));
  return requirePresent(site, ledger);
}

/** What can be read of a ledger. */
export interface LedgerSurvey {
  readonly entries: readonly LedgerEntry[];
  /** Set for a damaged ledger, or one that does not match the site. Whoever decides by the entries must refuse. */
  readonly damage?: LedgerDamage;
}

export interface LedgerDamage {
  readonly fault: StowageError;
  /** How many of the entries a receipt confirms; the others may be forged. */
  readonly confirmed: number;
}

/** Like {@link readLedger}, for commands that only show the site: a damaged ledger does not hide what can be read. */
export async function surveyLedger(site: SiteFolder): Promise<LedgerSurvey> {
  try {
    return { entries: (await readLedger(site)).entries };
  } catch (fault) {
    if (!(fault instanceof StowageError) || fault.code === 'io-failed') throw fault;
    const { entries, confirmed } = await damagedLedger(site);
    return { entries, damage: { fault, confirmed } };
  }
}

async function damagedLedger(site: SiteFolder): Promise<DamagedLedger> {
  const path = site.path('ledger');
  try {
    return await entriesBeforeDamage(path, await witnesses(site));
  } catch (error) {
    if (error instanceof StowageError) return { entries: [], confirmed: 0 };
    throw error;
  }
}

async function requirePresent(site: SiteFolder, ledger: Ledger): Promise<Ledger> {
  if (ledger.head.number > 0 || !(await exists(site.path('trust.json')))) {
    await requireNewest(site, ledger);
    return ledger;
  }
  throw new StowageError('state-damaged', 'the ledger of this site is missing', {
    expected: site.path('ledger'),
    found: 'nothing, although the site has a trust document',
    hint: 'restore the latest copy of the ledger; without it, an older bundle could be accepted',
  });
}

/**
 * Refuses an older copy of the ledger, whose head was restored with it: the trust document, a release, a generation or the
 * current one is then newer than its entries. What a killed command has not recorded yet is no contradiction: its plan or
 * its staging folder is still there.
 */
async function requireNewest(site: SiteFolder, { entries, head }: Ledger): Promise<void> {
  const events = entries.map(({ event }) => event);
  const refuseNewer = (found: string): never => {
    throw outdated(site, head, found);
  };
  const trust = await site.trust();
  const trusted = events.flatMap((event) => (event.kind === 'trusted' ? [event.digest] : []));
  if (trust !== undefined && !trusted.includes(sriHex(sriOf(trustBytes(trust)))))
    refuseNewer(`trust document ${trust.version}`);
  const accepted = events.flatMap((event) => (event.kind === 'accepted' ? [event.bundle] : []));
  const staged = await namesIn(site.path('staging'));
  for (const name of await namesIn(site.path('releases'))) {
    if (!/^[0-9a-f]{32}$/.test(name)) continue;
    if (![...accepted, ...staged].some((id) => id.startsWith(name)))
      refuseNewer(`releases/${name}`);
  }
  const noticed = events.flatMap((event) => (event.kind === 'noticed' ? [event.notice] : []));
  for (const name of await namesIn(site.path('notices'))) {
    if (!/^[0-9a-f]{32}$/.test(name)) continue;
    if (!noticed.some((id) => id.startsWith(name))) refuseNewer(`notices/${name}`);
  }
  if (await exists(site.path('apply', 'plan.json'))) return;
  const applied = events.flatMap((event) => (event.kind === 'command' ? [event.generation] : []));
  for (const number of await generationNumbers(site))
    if (!applied.includes(number)) refuseNewer(`generation ${number}`);
  const current = (await currentGeneration(site)).number;
  if (current !== (applied.at(-1) ?? 0)) refuseNewer(`current generation ${current}`);
}

function outdated(site: SiteFolder, { number }: LedgerHead, found: string): StowageError {
  return new StowageError('state-damaged', 'the ledger is older than what this site holds', {
    expected: `entries up to the newest change in ${site.path('ledger')}`,
    found: `${counted(number, 'entry', 'entries')}, none of which records ${found}`,
    hint: 'restore the latest copy of ledger and ledger.head; with an older one, an older bundle could be accepted',
  });
}

/** The ledger head in each receipt: not only in the newest, which could have been replaced. */
async function witnesses(site: SiteFolder): Promise<LedgerHead[]> {
  const names = await namesIn(site.path('receipts'));
  const heads: LedgerHead[] = [];
  for (const name of names.filter((each) => each.endsWith('.json'))) {
    const bytes = await readBounded(site.path('receipts', name), receiptKind.maxBytes);
    heads.push(readCanonical(receiptKind, bytes).ledger);
  }
  return heads;
}

/**
 * Pins a trust document that was verified, or that a person confirmed at a new site.
 * @returns whether it was not pinned yet
 * @throws StowageError `trust-conflict` when the site has a newer one, or a different one of the same version
 */
export async function keepTrust(
  site: SiteFolder,
  ledger: Ledger,
  trust: Trust,
  now: Date,
): Promise<boolean> {
  const bytes = trustBytes(trust);
  const pinned = await site.trust();
  if (pinned !== undefined) {
    if (trustBytes(pinned).equals(bytes)) return false;
    if (pinned.version >= trust.version) throw notNewer(pinned, trust);
  }
  // The ledger first: a site with a trust document and an empty ledger counts as damaged.
  const digest = sriHex(sriOf(bytes));
  const { version, seqFloor } = trust;
  const floors = seqFloor === undefined ? {} : { seqFloor };
  await ledger.append({ kind: 'trusted', version, digest, ...floors }, now);
  await site.pinTrust(trust);
  return true;
}

function notNewer(pinned: Trust, trust: Trust): StowageError {
  const older = trust.version < pinned.version;
  return new StowageError(
    'trust-conflict',
    older
      ? 'an older trust document cannot replace a newer one'
      : `a different trust document has version ${trust.version}`,
    {
      expected: `a version after ${pinned.version}`,
      found: `version ${trust.version}`,
      hint: older
        ? 'to restore earlier rules, issue a new version that contains them'
        : 'stop and tell the security officer: one of the two was not issued by the authority',
    },
  );
}
