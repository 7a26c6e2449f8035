import type { LockedModelFile } from '../format/lock.ts';
import type { Report } from './examine-content.ts';

const NO_WORD_AGAINST = ['safe', 'queued', 'unscanned', 'pending', 'scanning'];
const UNSAFE = ['unsafe', 'infected', 'malicious'];

/** What the Hub's own scanners have against a file. What they have not looked at is in the lock alone. */
export function examineHubScan({ hubScan }: LockedModelFile, report: Report): void {
  if (hubScan === undefined || NO_WORD_AGAINST.includes(hubScan)) return;
  const rule = UNSAFE.includes(hubScan) ? 'hub-unsafe' : 'hub-scan';
  report(rule, `the Hub's scanners call this file ${hubScan}`);
}
