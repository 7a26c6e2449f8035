import { INVISIBLE } from './printable.ts';

declare const brand: unique symbol;

/** Markup of ours, in which everything foreign has been escaped. Only {@link html} makes it. */
export type Html = string & { readonly [brand]: 'Html' };

type Value = Html | readonly Html[] | Foreign;

/** Text from elsewhere, on its way into a page. */
interface Foreign {
  readonly text: string;
}

/** Markup with values in it: markup as it is, {@link foreign} text escaped. A bare string is a type error. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  return strings
    .map((string, at) => (at === 0 ? string : `${render(values[at - 1])}${string}`))
    .join('') as Html;
}

/** Text that is not ours, to be shown as it is and to do nothing. */
export function foreign(text: string | number): Foreign {
  return { text: String(text) };
}

function render(value: Value | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return value;
  return 'text' in value ? escapeText(value.text) : value.join('');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeText(text: string): string {
  const escaped = text
    .replace(/[&<>"']/g, (character) => entities[character] ?? '')
    .replace(INVISIBLE, (character) => {
      const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
      return `<span class="unseen">U+${code}</span>`;
    });
  return `<bdi>${escaped}</bdi>`;
}
