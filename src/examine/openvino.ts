import { MIB } from '../core/limits.ts';
import type { Bytes } from './bytes.ts';
import { RuleBroken } from './rule-broken.ts';

const MAX_XML_BYTES: number = 128 * MIB;
const SPAN_BYTES = MIB;
const NETWORK = /^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*)?<net\s/;
/** Where a constant of the network lies in the file of weights. */
const CONSTANT = /<data\b[^<>]*>/g;

/**
 * How many bytes of weights a network of OpenVINO refers to: its constants are in a file of the same name that ends in
 * `.bin`. Undefined for other XML, and for a network without constants.
 * @throws RuleBroken `examine-limit`
 */
export async function openvinoWeights(bytes: Bytes): Promise<number | undefined> {
  const head = await bytes.read(0, 1024);
  if (!NETWORK.test(head.toString('latin1'))) return undefined;
  if (bytes.size > MAX_XML_BYTES)
    throw new RuleBroken('examine-limit', `a network of more than ${MAX_XML_BYTES} bytes of XML`);
  let needed = 0;
  let rest = '';
  for (let offset = 0; offset < bytes.size; offset += SPAN_BYTES) {
    const text = rest + (await bytes.read(offset, SPAN_BYTES)).toString('latin1');
    for (const [tag] of text.matchAll(CONSTANT)) {
      const number = (name: string): number =>
        Number(new RegExp(`\\s${name}="(\\d{1,15})"`).exec(tag)?.[1] ?? 0);
      const size = number('size');
      if (size > 0) needed = Math.max(needed, number('offset') + size);
    }
    // A tag can continue in the next span.
    const last = text.lastIndexOf('<');
    rest = last < 0 || text.includes('>', last) ? '' : text.slice(last).slice(0, SPAN_BYTES);
  }
  return needed === 0 ? undefined : needed;
}
