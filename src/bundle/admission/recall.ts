import { gte, satisfies } from 'semver';
import type { Recall } from '../../format/deployment.ts';
import type { SiteRecall } from '../../format/ledger.ts';

interface Version {
  readonly name: string;
  readonly version: string;
}

/** The recall that applies to a release, or undefined. */
export function recallOf<T extends Recall>(release: Version, recalls: readonly T[]): T | undefined {
  return recalls.find((each) => applies(each, release));
}

function applies({ release, versions }: Recall, { name, version }: Version): boolean {
  return release === name && satisfies(version, versions, { includePrerelease: true });
}

interface Sequenced extends Version {
  readonly seq: number;
}

/**
 * Where the recalls of what runs lead, if that is not to this other version of it: in words such as `to newer versions only`.
 * Undefined if they allow it.
 */
export function strategyAgainst(
  running: Sequenced,
  other: Sequenced,
  recalls: readonly SiteRecall[],
): string | undefined {
  if (other.seq >= running.seq) return undefined;
  for (const recall of recalls) {
    const { strategy } = recall;
    if (strategy === undefined || !applies(recall, running)) continue;
    if (strategy === 'forward') return 'to newer versions only';
    if (!gte(other.version, strategy.backTo))
      return `to newer versions, or back to ${strategy.backTo} or later`;
  }
  return undefined;
}
