import type { KubernetesSite } from '../../../format/kubernetes-site.ts';
import type { ExamineInput, Finding } from '../../target.ts';

export interface ClusterToExamine extends ExamineInput {
  readonly settings: KubernetesSite;
}

const SHOWN = 10;

/** A finding about the cluster. */
export function finding(
  check: string,
  verdict: Finding['verdict'],
  found: string,
  hint?: string,
): Finding {
  return { area: 'cluster', check, verdict, found, ...(hint === undefined ? {} : { hint }) };
}

/** The first of many names. */
export function someOf(all: readonly string[]): string {
  const rest = all.length - SHOWN;
  return `${all.slice(0, SHOWN).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
