import { counted } from '../../core/text.ts';
import type { ClusterRecord } from '../../format/cluster-record.ts';
import type { EvaluationResult } from '../../format/evaluation-result.ts';
import type { LedgerEntry, LedgerUser, ReleaseName } from '../../format/ledger.ts';
import type { GenerationSummary, ReleaseSummary } from '../../format/plan.ts';
import { rateInWords } from '../../site/evaluation/summarize.ts';

/**
 * A ledger entry as one line of `history`: when, what and who. Digests of bundles are cut to 16 digits, as in `status`.
 * @param cluster where it was done, by its receipt
 */
export function historyLine({ at, event, by }: LedgerEntry, cluster?: ClusterRecord): string {
  const where = cluster === undefined ? [] : [clusterText(cluster)];
  const line = (what: string, ...rest: readonly string[]): string =>
    `${at}  ${what.padEnd(9)}  ${[...rest.filter((each) => each !== ''), ...where, ...userOf(by)].join('; ')}`;
  switch (event.kind) {
    case 'accepted':
      return line(
        'import',
        `${event.product} ${event.version}, sequence ${event.seq}, bundle ${short(event.bundle)}`,
      );
    case 'trusted':
      return line('trust', `trust document ${event.version}`);
    case 'recalled':
      return line(
        'recall',
        `${event.release} ${event.versions}: ${event.reason}, announced by ${short(event.bundle)}`,
      );
    case 'promoted':
      return line(
        'promote',
        `${event.release} ${event.version} to channel ${event.channel}, bundle ${short(event.bundle)}, by notice ${short(event.notice)}`,
      );
    case 'noticed':
      return line(
        'notice',
        `notice ${event.serial} of ${event.issuer} imported, ${short(event.notice)}`,
      );
    case 'override':
      return line('age', `bundle ${short(event.bundle)} accepted despite its age: ${event.reason}`);
    case 'overridden':
      return line(
        'override',
        `${event.rule} until ${event.until}: ${event.reason}, approved by ${event.by}`,
      );
    case 'collected':
      return line(
        event.forgotten === undefined ? 'gc' : 'forget',
        ...(event.forgotten === undefined ? [] : [event.forgotten]),
        `${counted(event.generations, 'generation')} and ${counted(event.blobs, 'blob')} removed`,
      );
    case 'command': {
      const { command, outcome, generation, detail, release, approvedBy = [] } = event;
      return line(
        command,
        ...(release === undefined ? [] : [inWords(release)]),
        outcome === 'kept'
          ? `generation ${generation}`
          : `${outcome}; still at generation ${generation}`,
        approvedBy.length === 0 ? '' : `approved by ${approvedBy.join(' and ')}`,
        detail,
      );
    }
  }
}

/** The result of an evaluation as one line of `history`. */
export function evaluationLine({
  at,
  evaluation,
  gate,
  generation,
  release,
  summary,
  missed,
}: Omit<EvaluationResult, 'results'>): string {
  const verdict = missed.length === 0 ? 'thresholds met' : 'THRESHOLDS MISSED';
  const where = `${gate ? 'in the gate of ' : ''}generation ${generation}`;
  return `${at}  ${'evaluate'.padEnd(9)}  ${release.name} ${release.version}, ${evaluation}; ${where}; ${rateInWords(summary)}; ${verdict}`;
}

/** A cluster in one line. */
export function clusterText({ uid = 'unknown', version, nodes }: ClusterRecord): string {
  const names = nodes.map(({ name }) => name).join(', ');
  return `cluster ${uid}, Kubernetes ${version.replace(/^v/, '')}${names === '' ? '' : ` on ${names}`}`;
}

/** The clusters of ledger entries as data; nothing at a site without one. */
export function clustersJson(clusters: ReadonlyMap<number, ClusterRecord>): {
  readonly clusters?: readonly { readonly entry: number; readonly cluster: ClusterRecord }[];
} {
  if (clusters.size === 0) return {};
  return { clusters: [...clusters].map(([entry, cluster]) => ({ entry, cluster })) };
}

/** The kept generations with their releases, one line each. @param mark why a release may not be installed */
export function generationLines(
  kept: readonly GenerationSummary[],
  current: number,
  mark: (release: ReleaseSummary) => string | undefined,
): string[] {
  if (kept.length === 0) return [];
  return [
    'available generations:',
    ...kept.map(({ number, releases }) => {
      const names = releases
        .map((release) => {
          const why = mark(release);
          return `${release.name} ${release.version}${why === undefined ? '' : ` (${why})`}`;
        })
        .join(', ');
      return `  ${number}: ${names || 'no release'}${number === current ? ' (current)' : ''}`;
    }),
  ];
}

/** A ledger entry as one line of `audit show`, in full. */
export function auditLine({ number, at, event, by }: LedgerEntry, cluster?: ClusterRecord): string {
  const { kind, ...rest } = event;
  const where = cluster === undefined ? {} : { cluster: clusterText(cluster) };
  const details = Object.entries({ ...rest, ...where, ...by })
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`);
  return `${String(number).padStart(5)}  ${at}  ${kind.padEnd(8)}  ${details.join(' ')}`;
}

function inWords({ name, version, bundle }: ReleaseName): string {
  return `${name} ${version}, bundle ${short(bundle)}`;
}

function short(digest: string): string {
  return digest.slice(0, 16);
}

function userOf(by: LedgerUser | undefined): string[] {
  if (by === undefined) return [];
  const { uid, sudoUser } = by;
  return [sudoUser === undefined ? `by uid ${uid}` : `by ${sudoUser} with sudo, uid ${uid}`];
}
