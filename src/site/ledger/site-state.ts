import type { Emit } from '../../core/context.ts';
import type {
  Acceptance,
  AdmissionHistory,
  LedgerEntry,
  PromotedBundle,
  SiteRecall,
  TakenNotice,
} from '../../format/ledger.ts';
import type { Override } from '../../format/override.ts';

/** The state that follows from a site's ledger. */
export interface SiteState extends AdmissionHistory {
  /** Overrides of constraints, oldest first, including expired ones. */
  readonly overrides: readonly GrantedOverride[];
  /** The newest notice of each issuer. */
  readonly notices: readonly ImportedNotice[];
  readonly promoted: readonly PromotedBundle[];
}

export interface ImportedNotice extends TakenNotice {
  /** When it was imported, RFC 3339. */
  readonly at: string;
}

export interface GrantedOverride {
  readonly override: Override;
  /** When it was granted, RFC 3339. */
  readonly at: string;
}

const BEGINNING = '1970-01-01T00:00:00Z';

/** The state that follows from a ledger's entries. */
export function stateOf(entries: readonly LedgerEntry[]): SiteState {
  const accepted = new Map<string, Acceptance>();
  const recalls = new Map<string, SiteRecall>();
  const overrides: GrantedOverride[] = [];
  const notices = new Map<string, ImportedNotice>();
  const promoted = new Map<string, PromotedBundle>();
  let floors: Readonly<Record<string, number>> = {};
  let floor = BEGINNING;
  for (const { at, event } of entries) {
    if (event.kind === 'accepted') {
      const { product, channel, seq, bundle, signedAt } = event;
      accepted.set(`${product}/${channel}`, { product, channel, seq, bundle });
      // Times in the same form compare as text.
      if (signedAt > floor) floor = signedAt;
    }
    if (event.kind === 'trusted') {
      const { seqFloor = {} } = event;
      for (const [key, seq] of Object.entries(seqFloor)) {
        if (floors[key] !== seq) lower(accepted, key, seq);
      }
      floors = seqFloor;
    }
    if (event.kind === 'recalled') {
      const { kind: _, bundle: __, ...recall } = event;
      const key = `${recall.release} ${recall.versions}`;
      // A bundle that repeats the recall says no strategy, and takes none away.
      recalls.set(key, { ...recalls.get(key), ...recall });
    }
    if (event.kind === 'promoted') {
      const { bundle, channel } = event;
      promoted.set(`${bundle} ${channel}`, { bundle, channel });
    }
    if (event.kind === 'noticed') {
      const { issuer, serial, notice, signedAt } = event;
      notices.set(issuer, { issuer, serial, notice, at });
      if (signedAt > floor) floor = signedAt;
    }
    if (event.kind === 'overridden') {
      const { kind: _, ...override } = event;
      overrides.push({ override, at });
    }
  }
  return {
    ...{ accepted: [...accepted.values()], floor, recalls: [...recalls.values()], overrides },
    ...{ notices: [...notices.values()], promoted: [...promoted.values()] },
  };
}

/** A new floor allows every sequence from it on, whatever was accepted before. */
function lower(accepted: Map<string, Acceptance>, key: string, floor: number): void {
  const last = accepted.get(key);
  if (last !== undefined && last.seq >= floor) accepted.set(key, { ...last, seq: floor - 1 });
}

/**
 * The later of the host's clock and the newest signed time that the site has seen. Warns if the clock is behind.
 */
export function laterOf(clock: Date, floor: string, emit: Emit): Date {
  const seen = new Date(floor);
  if (clock >= seen) return clock;
  emit({
    type: 'warning',
    message: `the clock of this host is wrong: it shows ${clock.toISOString()}, but a bundle or notice signed at ${floor} was already imported`,
    hint: 'set the clock; until then, stowage uses the signed time',
  });
  return seen;
}
