import { withoutInWords } from '../../content/optional.ts';
import { foreign, type Html, html } from '../../core/html-text.ts';

type Fact = readonly [string, Html | undefined];

/** The optional parts of a bundle; no fact without any. */
export function optionalFact(names: readonly string[] = []): Fact {
  const shown = html`${foreign(names.join(', '))}; a site has those that it chooses`;
  return ['Optional parts', names.length === 0 ? undefined : shown];
}

/** Those that are not complete in the given folders; no fact without any. */
export function absentFact(names: readonly string[] = []): Fact {
  return [
    'In these folders',
    names.length === 0 ? undefined : html`${foreign(withoutInWords(names))}`,
  ];
}
