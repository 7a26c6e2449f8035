import { StowageError } from '../core/error.ts';
import { writeCanonical } from '../format/document.ts';
import { momentOf } from '../format/field.ts';
import type { Fleet } from '../format/fleet.ts';
import {
  type Promotion,
  promotionKind,
  type RecallOrder,
  recallOrderKind,
} from '../format/fleet-orders.ts';
import type { ChangingFleet } from './change.ts';
import { type PromotionCheck, promotionChecks } from './evidence.ts';
import { type FactSigner, signedFact } from './record-fact.ts';
import { catalogOf, type FleetRelease } from './releases.ts';

/** A document that was recorded. */
export interface RecordedFact {
  /** Relative to the folder of the fleet. */
  readonly document: string;
  readonly inForce: boolean;
  /** Why it is not in force. */
  readonly reason?: string;
  /** The role whose signatures it lacks. */
  readonly role?: 'release' | 'approval';
}

interface By {
  readonly by: FactSigner;
  readonly now: Date;
}

/**
 * Records that a channel has a release.
 * @throws StowageError `promotion-blocked`, `output-exists`
 */
export async function promoteRelease(
  fleet: ChangingFleet,
  { release, to, settings }: { release: FleetRelease; to: string; settings: Fleet },
  { by, now }: By,
): Promise<RecordedFact> {
  const { database } = fleet;
  const catalog = catalogOf(database);
  const { folder } = fleet;
  const checks = await promotionChecks({ release, to, settings, catalog, database, folder, now });
  const { from, evidence } = settings.channels[to] ?? {};
  if (from === undefined || checks.some(({ satisfied }) => !satisfied))
    throw blocked(release, to, checks);
  const { bundle, name, version, seq } = release;
  const promotion: Promotion = {
    schema: 'stowage/promotion/v1',
    ...{ release: name, version, seq, bundle, from, to, at: momentOf(now) },
    evidence: checks.map(({ needs, found }) => `${needs}: ${found}`.slice(0, 500)),
    approval: evidence?.approval === true,
  };
  const path = `promotions/${to}/${bundle.slice(0, 32)}.json`;
  const bytes = writeCanonical(promotionKind, promotion);
  const trust = await fleet.folder.trust(now);
  await fleet.add({
    ...{ action: 'promote', subject: `${name} ${version} to ${to}` },
    files: signedFact({ path, bytes, by, now, trust }),
  });
  return factAt(path, fleet);
}

/** Records a recall. @throws StowageError `output-exists` */
export async function recallRelease(
  fleet: ChangingFleet,
  order: Pick<RecallOrder, 'release' | 'versions' | 'reason' | 'strategy'>,
  { by, now }: By,
): Promise<RecordedFact> {
  const numbers = fleet.database
    .all<{ path: string }>(
      'SELECT path FROM file WHERE path LIKE ?',
      `recalls/${order.release}/%.json`,
    )
    .map(({ path }) => Number(/\/([0-9]+)\.json$/.exec(path)?.[1] ?? 0));
  const number = Math.max(0, ...numbers) + 1;
  const recall: RecallOrder = {
    schema: 'stowage/recall-order/v1',
    ...{ number, ...order, at: momentOf(now) },
  };
  const path = `recalls/${order.release}/${number}.json`;
  const bytes = writeCanonical(recallOrderKind, recall);
  const trust = await fleet.folder.trust(now);
  await fleet.add({
    ...{ action: 'recall', subject: `${order.release} ${order.versions}` },
    files: signedFact({ path, bytes, by, now, trust }),
  });
  return factAt(path, fleet);
}

/** Whether a recorded document is in force. */
export function factAt(
  document: string,
  { database }: Pick<ChangingFleet, 'database'>,
): RecordedFact {
  const sql = 'SELECT text FROM defect WHERE path = ?';
  const defect = database.first<{ text: string }>(sql, document);
  return defect === undefined
    ? { document, inForce: true }
    : {
        ...{ document, inForce: false, reason: defect.text },
        role: defect.text.startsWith('too few approval') ? 'approval' : 'release',
      };
}

function blocked(
  { name, version }: FleetRelease,
  to: string,
  checks: readonly PromotionCheck[],
): StowageError {
  const unmet = checks.filter(({ satisfied }) => !satisfied);
  return new StowageError('promotion-blocked', `${name} ${version} cannot be promoted to ${to}`, {
    expected: unmet.map(({ needs }) => needs).join('; '),
    found: unmet.map(({ found }) => found).join('; '),
    hint:
      unmet.find(({ hint }) => hint !== undefined)?.hint ??
      'run the command with --check to see what is missing, and take newer receipts with stowage fleet take',
  });
}
