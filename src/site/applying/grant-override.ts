import { StowageError } from '../../core/error.ts';
import { checkDocument, type DocumentKind } from '../../format/document.ts';
import { momentOf } from '../../format/field.ts';
import { type Override, override as schema } from '../../format/override.ts';
import { overridableRules } from '../planning/constraints/override.ts';
import type { SiteContext } from '../site-folder.ts';
import { withSite } from './change.ts';

/** The longest override. A permanent exception belongs in the manifest or `site.yaml`. */
const MAX_DAYS = 7;
const DAY_MS = 86_400_000;

const requestKind: DocumentKind<Override> = {
  name: 'override',
  code: 'usage-invalid',
  schema,
  maxBytes: 4096,
  hint: 'give --by and --reason as one line each, and --until such as 2026-11-21T18:00:00Z',
};

/**
 * Temporarily overrides a rule at a site, and records who is responsible and why.
 * @throws StowageError `usage-invalid` for a rule that cannot be overridden, or an end in the past or too far ahead
 */
export async function grantOverride(
  request: Readonly<Record<keyof Override, string>>,
  options: SiteContext,
): Promise<Override> {
  const { rule } = request;
  const overridable = overridableRules(options.target);
  if (!overridable.includes(rule))
    throw refuse(
      `rule ${rule} cannot be overridden`,
      overridable.join(', '),
      rule,
      'fix the cause: stowage plan --explain shows what each rule requires and what was found',
    );
  const granted = checkDocument(requestKind, request);
  if (granted.by.trim() === '' || granted.reason.trim() === '')
    throw refuse(
      'an override needs a person and a reason',
      'both as text',
      'nothing',
      requestKind.hint,
    );
  return withSite(options, async (ledger) => {
    const now = options.now();
    const latest = momentOf(new Date(now.getTime() + MAX_DAYS * DAY_MS));
    if (granted.until <= momentOf(now) || granted.until > latest)
      throw refuse(
        'the end of the override is out of range',
        `a time after now and not after ${latest}`,
        granted.until,
        `give an earlier end with --until, in UTC; an exception of more than ${MAX_DAYS} days belongs in the manifest or site.yaml`,
      );
    await ledger.append({ kind: 'overridden', ...granted }, now);
    return granted;
  });
}

function refuse(message: string, expected: string, found: string, hint: string): StowageError {
  return new StowageError('usage-invalid', message, { expected, found, hint });
}
