import { StowageError } from '../../core/error.ts';
import { checkDocument, type DocumentKind } from '../../format/document.ts';
import { momentOf } from '../../format/field.ts';
import type { Override } from '../../format/override.ts';
import { override as schema } from '../../format/override.ts';
import { overridableRules } from '../planning/constraints/override.ts';
import type { SiteContext } from '../site-context.ts';
import { withSite } from './change.ts';

/** No override is longer: what is needed for longer belongs into the manifest or `site.yaml`. */
const MAX_DAYS = 7;
const DAY_MS = 86_400_000;

const wordKind: DocumentKind<Override> = {
  name: 'override',
  code: 'usage-invalid',
  schema,
  maxBytes: 4096,
  hint: 'give --by and --reason in one line each, and --until such as 2026-11-21T18:00:00Z',
};

/**
 * Lets a rule be violated at a site until a moment, and writes down who answers for it, and why.
 * @throws StowageError `usage-invalid` for a rule that nobody can waive, or a moment that is past or too far
 */
export async function grantOverride(
  word: Readonly<Record<keyof Override, string>>,
  options: SiteContext,
): Promise<Override> {
  const { rule } = word;
  const overridable = overridableRules(options.target);
  if (!overridable.includes(rule))
    throw refuse(`rule ${rule} cannot be overridden`, overridable.join(', '), rule);
  const granted = checkDocument(wordKind, word);
  if (granted.by.trim() === '' || granted.reason.trim() === '')
    throw refuse('an override has a person and a reason', 'both, in words', 'nothing');
  return withSite(options, async (ledger) => {
    const now = options.now();
    const latest = momentOf(new Date(now.getTime() + MAX_DAYS * DAY_MS));
    if (granted.until <= momentOf(now) || granted.until > latest)
      throw refuse(
        'an override ends soon',
        `a moment after now and not after ${latest}`,
        granted.until,
      );
    await ledger.append({ kind: 'overridden', ...granted }, now);
    return granted;
  });
}

function refuse(message: string, expected: string, found: string): StowageError {
  return new StowageError('usage-invalid', message, {
    expected,
    found,
    hint: 'stowage plan --explain names the rules; what a rule guards is best mended itself',
  });
}
