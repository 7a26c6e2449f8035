import { counted } from '../core/text.ts';

/** What a receipt says about its place in the history of its site. */
export interface HistoryPoint {
  readonly path: string;
  readonly at: string;
  /** How many entries the site's ledger had. */
  readonly entries: number;
  /** SHA-512 of the last entry. */
  readonly head: string;
  readonly generation: number;
  /** The highest generation that it names. */
  readonly highest: number;
  /** Whether the change failed and was undone: its generation is gone, but its number may be used up. */
  readonly undone: boolean;
  /** SHA-256 of the certificate that signed it. */
  readonly key: string;
  /** When the fleet took it, and the entry that says so. */
  readonly takenAt: string;
  readonly takenBy: string;
}

/** A certificate that a site gave up. */
export interface OldKey {
  readonly fingerprint: string;
  readonly until: string;
  /** The document that introduced its successor. */
  readonly path: string;
}

export const alarmKinds = ['two-histories', 'went-back', 'future', 'old-key', 'gap'] as const;
export type AlarmKind = (typeof alarmKinds)[number];

/** A contradiction between two documents of a site, or a hole between them. */
export interface Alarm {
  readonly kind: AlarmKind;
  readonly text: string;
  /** The two documents, relative to the folder of the fleet. */
  readonly first: string;
  readonly second: string;
}

/** How far the clock of a site may be ahead of the machine that takes its receipts. */
const MAX_SKEW_MS = 24 * 60 * 60 * 1000;

/**
 * The contradictions in what came home from one site. A pure function of the documents, whatever the order in which they came: a late
 * receipt closes a gap.
 */
export function alarmsOf(points: readonly HistoryPoint[], keys: readonly OldKey[]): Alarm[] {
  const trusted = points.filter((each) => !isFuture(each));
  return [
    ...points.filter(isFuture).map(fromFuture),
    ...twoHistories(points),
    ...wentBack(trusted),
    ...lateSignatures(trusted, keys),
    ...gaps(points),
  ];
}

/** The receipt that tells the present state: the latest by its own clock, unless that ran ahead. */
export function newestOf<T extends HistoryPoint>(points: readonly T[]): T | undefined {
  const trusted = points.filter((each) => !isFuture(each));
  return (trusted.length > 0 ? trusted : points).toSorted(byTime).at(-1);
}

function isFuture({ at, takenAt }: HistoryPoint): boolean {
  return Date.parse(at) > Date.parse(takenAt) + MAX_SKEW_MS;
}

function fromFuture({ at, takenAt, takenBy, path }: HistoryPoint): Alarm {
  return {
    kind: 'future',
    text: `a receipt is dated ${at}, but was taken at ${takenAt}: the clock of the site is wrong`,
    first: path,
    second: takenBy,
  };
}

/** Two receipts that name different last entries of one ledger with as many entries. One alarm for each run of such numbers. */
function twoHistories(points: readonly HistoryPoint[]): Alarm[] {
  const byCount = Map.groupBy(points.toSorted(byCountOfEntries), ({ entries }) => entries);
  const alarms: Alarm[] = [];
  let before = false;
  for (const [entries, same] of byCount) {
    const [first] = same;
    const other = same.find(({ head }) => head !== first?.head);
    if (first !== undefined && other !== undefined && !before)
      alarms.push({
        kind: 'two-histories',
        text: `two receipts name different entries ${entries} of the site's ledger: the site was restored from a backup, or its key is used in two places`,
        first: first.path,
        second: other.path,
      });
    before = other !== undefined;
  }
  return alarms;
}

/** A later receipt whose ledger is shorter than that of an earlier one. */
function wentBack(points: readonly HistoryPoint[]): Alarm[] {
  const alarms: Alarm[] = [];
  let longest: HistoryPoint | undefined;
  let previous: HistoryPoint | undefined;
  for (const point of points.toSorted(byTime)) {
    if (longest !== undefined && point.entries < longest.entries && previous === longest)
      alarms.push({
        kind: 'went-back',
        text: `the receipt of ${point.at} knows ${counted(point.entries, 'entry', 'entries')} of the site's ledger, and the earlier one of ${longest.at} knows ${longest.entries}: the clock or the ledger of the site went back`,
        first: longest.path,
        second: point.path,
      });
    if (longest === undefined || point.entries >= longest.entries) longest = point;
    previous = point;
  }
  return alarms;
}

/** The first receipt that each old key signed after it was given up. */
function lateSignatures(points: readonly HistoryPoint[], keys: readonly OldKey[]): Alarm[] {
  const ordered = points.toSorted(byTime);
  return keys.flatMap(({ fingerprint, until, path }): Alarm[] => {
    const late = ordered.find(({ key, at }) => key === fingerprint && at > until);
    if (late === undefined) return [];
    return [
      {
        kind: 'old-key',
        text: `the receipt of ${late.at} is signed with a key that the site gave up at ${until}`,
        ...{ first: late.path, second: path },
      },
    ];
  });
}

/** Generations of which no receipt came home although a later one did. */
function gaps(points: readonly HistoryPoint[]): Alarm[] {
  const alarms: Alarm[] = [];
  let highest: number | undefined;
  let before: HistoryPoint | undefined;
  for (const point of points.toSorted(byCountOfEntries)) {
    if (highest !== undefined && before !== undefined && point.generation > highest + 1) {
      const [from, to] = [highest + 1, point.generation - 1];
      alarms.push({
        kind: 'gap',
        text: `no receipt of generation${from === to ? ` ${from}` : `s ${from} to ${to}`} came home`,
        first: before.path,
        second: point.path,
      });
    }
    highest = Math.max(highest ?? 0, point.generation, point.highest) + (point.undone ? 1 : 0);
    before = point;
  }
  return alarms;
}

function byTime(a: HistoryPoint, b: HistoryPoint): number {
  return compare(a.at, b.at) || a.entries - b.entries || compare(a.path, b.path);
}

function byCountOfEntries(a: HistoryPoint, b: HistoryPoint): number {
  return a.entries - b.entries || compare(a.at, b.at) || compare(a.path, b.path);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
