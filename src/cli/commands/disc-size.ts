import { MEDIA } from '../../build/deal.ts';
import { usage } from '../command.ts';
import { parseBytes } from '../units.ts';

/** What `--disc-size` says, in bytes: `25GB` as discs are sold, `23GiB`, or the name of a medium. */
export function parseDiscSize(text: string): number {
  const bytes = MEDIA[text.toLowerCase()] ?? parseBytes(text);
  if (bytes !== undefined) return bytes;
  throw usage(
    'the disc size is not usable',
    `a size such as 25GB or 23GiB, or one of ${Object.keys(MEDIA).join(', ')}`,
    text,
  );
}
