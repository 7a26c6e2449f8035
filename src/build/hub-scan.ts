import type { Finding } from '../format/finding.ts';
import type { LockedModel } from '../format/lock.ts';

/** Of each file that the Hub's own scanners have a word against, a warning; what they have not scanned is in the lock. */
export function hubScanFindings(model: LockedModel): Finding[] {
  return model.files.flatMap(({ path, hubScan }): Finding[] =>
    hubScan === undefined || ['safe', 'queued', 'unscanned', 'pending'].includes(hubScan)
      ? []
      : [
          {
            source: model.name,
            file: path,
            rule: 'hub-scan',
            severity: 'warning',
            message: `the Hub's scanners call this file ${hubScan}`,
          },
        ],
  );
}
