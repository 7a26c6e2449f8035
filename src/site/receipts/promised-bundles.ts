import { readReceipt } from '../../bundle/receipt.ts';
import { StowageError } from '../../core/error.ts';
import { namesIn } from '../../io/file.ts';
import type { SiteFolder } from '../site-folder.ts';

/**
 * The bundles that receipts of this site promise to keep, by id, and until when, the latest moment. Receipts that cannot be
 * read promise nothing.
 * @throws StowageError `io-failed`
 */
export async function promisedBundles(
  site: SiteFolder,
  now: Date,
): Promise<ReadonlyMap<string, string>> {
  const promised = new Map<string, string>();
  const names = await namesIn(site.path('receipts'));
  for (const name of names.filter((each) => each.endsWith('-statement.json'))) {
    try {
      const { holds } = (await readReceipt(site.path('receipts', name))).receipt;
      const until = holds?.heldUntil ?? '';
      if (holds === undefined || !(Date.parse(until) > now.getTime())) continue;
      for (const { bundle } of holds.bundles)
        if (until > (promised.get(bundle) ?? '')) promised.set(bundle, until);
    } catch (error) {
      if (!(error instanceof StowageError) || error.code === 'io-failed') throw error;
    }
  }
  return promised;
}
