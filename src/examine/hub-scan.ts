import type { LockedModelFile } from '../format/lock.ts';
import type { Report } from './examine-content.ts';

const NO_CONCERN = ['safe', 'queued', 'unscanned', 'pending', 'scanning'];
const UNSAFE = ['unsafe', 'infected', 'malicious'];

/** Reports the concerns of the Hub's own scanners. The lock records the status of files without a concern. */
export function examineHubScan({ hubScan }: LockedModelFile, report: Report): void {
  if (hubScan === undefined || NO_CONCERN.includes(hubScan)) return;
  const rule = UNSAFE.includes(hubScan) ? 'hub-unsafe' : 'hub-scan';
  report(rule, `the Hub's scanners report this file as ${hubScan}`);
}
