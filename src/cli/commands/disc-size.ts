import { MEDIA } from '../../io/discs/disc-split.ts';
import { usage } from '../command.ts';
import { parseBytes } from '../units.ts';

/** Parses `--disc-size` to bytes: `25GB` or `4.7GB` as printed on discs, `23GiB`, or the name of a medium. */
export function parseDiscSize(text: string): number {
  const bytes = MEDIA[text.toLowerCase()] ?? parseBytes(text);
  if (bytes !== undefined) return bytes;
  throw usage(
    'invalid disc size',
    `a size such as 4.7GB or 23GiB, or one of ${Object.keys(MEDIA).join(', ')}`,
    text,
  );
}
