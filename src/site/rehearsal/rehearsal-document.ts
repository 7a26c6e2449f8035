import { PRODUCT, PRODUCT_VERSION } from '../../core/product.ts';
import { oneLine } from '../../core/text.ts';
import type { Bundle } from '../../format/bundle.ts';
import { momentOf } from '../../format/field.ts';
import { type Rehearsal, rehearsedDigest } from '../../format/rehearsal.ts';
import { hostPlatform } from '../../target/host/platform.ts';
import { attemptInWords } from './attempts.ts';
import type { Ran } from './facts.ts';

/** What was seen of a release, whatever ran it. */
export interface Rehearsed
  extends Pick<
    Rehearsal,
    'target' | 'engine' | 'attempts' | 'services' | 'peakMemoryBytes' | 'unseen'
  > {
  readonly ran: Ran;
}

/** The document of a rehearsal. It passed if nothing failed and every attempt to reach out was known. */
export function rehearsalDocument(
  bundle: Bundle,
  { ran, ...seen }: Rehearsed,
  now: Date,
): Rehearsal {
  const { name, version, seq } = bundle;
  const unknown = seen.attempts.filter(({ known }) => known === undefined);
  const failures = [...ran.failures, ...unknown.map((each) => oneLine(attemptInWords(each), 1000))];
  return {
    schema: 'stowage/rehearsal/v1',
    at: momentOf(now),
    tool: `${PRODUCT} ${PRODUCT_VERSION}`,
    platform: hostPlatform(),
    release: { name, version, seq },
    content: rehearsedDigest(bundle),
    passed: failures.length === 0,
    failures,
    gates: ran.gates,
    evaluations: ran.evaluations,
    ...seen,
  };
}
