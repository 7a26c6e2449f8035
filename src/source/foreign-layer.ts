import { StowageError } from '../core/error.ts';
import type { Http } from '../net/http.ts';
import { httpsOrigin } from './https.ts';
import type { Origin } from './origin.ts';

/**
 * A layer that its registry does not store, downloaded from the addresses in its descriptor (image-spec 1.1,
 * descriptor.md, `urls`). The first that works is used. Credentials of the registry are not sent there.
 * @throws StowageError `source-unsupported` for an address that is not https (http on this machine)
 */
export function foreignLayerOrigin(urls: readonly string[], http: Http): Origin {
  const origins = urls.map((each) => httpsOrigin(each, http));
  const first = async <T>(ask: (origin: Origin) => Promise<T> | undefined): Promise<T> => {
    let failure: unknown = new Error('a foreign layer without an address');
    for (const origin of origins) {
      try {
        const answer = await ask(origin);
        if (answer !== undefined) return answer;
      } catch (error) {
        if (!(error instanceof StowageError) || error.code === 'interrupted') throw error;
        failure = error;
      }
    }
    throw failure;
  };
  return {
    description: origins[0]?.description ?? '',
    open: (offset, signal) => first((origin) => origin.open(offset, signal)),
    part: (start, end, signal) => first((origin) => origin.part?.(start, end, signal)),
  };
}
