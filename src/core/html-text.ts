import { codePoint, INVISIBLE } from './text.ts';

declare const brand: unique symbol;

/** Markup in which all foreign text is escaped. Only {@link html} makes it. */
export type Html = string & { readonly [brand]: 'Html' };

type Value = Html | readonly Html[] | Foreign;

/** Foreign text, not yet escaped. */
interface Foreign {
  readonly text: string;
}

/** Markup with interpolated values: markup unchanged, {@link foreign} text escaped. A plain string is a type error. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  return strings
    .map((string, at) => (at === 0 ? string : `${render(values[at - 1])}${string}`))
    .join('') as Html;
}

/** Marks text as foreign: shown literally, never interpreted as markup. */
export function foreign(text: string | number): Foreign {
  return { text: String(text) };
}

/** Escapes text for the value of an attribute in double quotes. */
export function attribute(text: string): Html {
  return text
    .replace(/[&<>"']/g, (character) => entities[character] ?? '')
    .replace(INVISIBLE, codePoint) as Html;
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
    .replace(INVISIBLE, (character) => `<span class="unseen">${codePoint(character)}</span>`);
  return `<bdi>${escaped}</bdi>`;
}
