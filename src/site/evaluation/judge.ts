import type { AnswerExpectation, Question } from '../../format/question.ts';
import { describeExpectation, meets, type PromptAnswer } from '../gate/expectation.ts';

/** How models decline, in English. */
const REFUSALS =
  /\b(?:i\s*(?:can(?:no|['’])?t|won['’]?t|will not|am (?:not able|unable)|['’]m (?:not able|unable|sorry|afraid))|(?:as|being) an ai\b|(?:i )?(?:must|have to) decline|not (?:able|allowed|permitted) to (?:help|assist|provide|answer)|unable to (?:help|assist|comply|provide))/i;

/** A number as people and models write it: `-1,234.5e3`. */
const NUMBERS = /[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?/gi;

/** An expectation that the text of the answer decides alone. */
export type TextExpectation = Exclude<AnswerExpectation, { similar: string }>;

/** True if an answer is as expected, otherwise how it differs. */
export function judge(expect: TextExpectation, answer: PromptAnswer): true | string {
  const { text } = answer;
  if ('choice' in expect) {
    const label = firstLabel(text, expect.of);
    return label === expect.choice || `chose ${label ?? 'none of the labels'}: ${quote(text)}`;
  }
  if ('number' in expect) {
    const found = lastNumber(text);
    if (found === undefined) return `no number: ${quote(text)}`;
    const { number, within = 0 } = expect;
    return Math.abs(found - number) <= within || `the number ${found}: ${quote(text)}`;
  }
  if ('refusal' in expect) {
    const refuses = REFUSALS.test(text);
    return refuses === expect.refusal || `${refuses ? 'declined' : 'answered'}: ${quote(text)}`;
  }
  return meets(expect, answer);
}

/** An expectation in words, after "the answer". */
export function expectationInWords(expect: Question['expect']): string {
  if ('nearest' in expect) {
    const { nearest, dimension, norm } = expect;
    const form = [
      ...(dimension === undefined ? [] : [`has ${dimension} dimensions`]),
      ...(norm === undefined ? [] : [`has a norm of ${norm}`]),
    ];
    return [...form, `ranks ${quote(nearest)} first`].join(' and ');
  }
  if ('choice' in expect) return `is ${expect.choice}, of ${expect.of.join(', ')}`;
  if ('number' in expect)
    return `ends with the number ${expect.number}${expect.within === undefined ? '' : `, within ${expect.within}`}`;
  if ('refusal' in expect) return expect.refusal ? 'declines' : 'does not decline';
  if ('similar' in expect)
    return `has a cosine of at least ${expect.atLeast} with ${quote(expect.similar)}`;
  return describeExpectation(expect);
}

/** The label that stands first in a text as a word of its own. Of labels at one place, the longest. */
function firstLabel(text: string, labels: readonly string[]): string | undefined {
  let first: { readonly label: string; readonly at: number } | undefined;
  for (const label of labels) {
    const at = wordAt(text, label);
    if (at < 0) continue;
    const before =
      first === undefined ||
      at < first.at ||
      (at === first.at && label.length > first.label.length);
    if (before) first = { label, at };
  }
  return first?.label;
}

function wordAt(text: string, word: string): number {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    const [left = '', right = ''] = [text[at - 1], text[at + word.length]];
    if (!/[\p{L}\p{N}_]/u.test(left) && !/[\p{L}\p{N}_]/u.test(right)) return at;
  }
  return -1;
}

function lastNumber(text: string): number | undefined {
  const last = text.match(NUMBERS)?.at(-1);
  return last === undefined ? undefined : Number(last.replaceAll(',', ''));
}

function quote(text: string): string {
  return JSON.stringify(text);
}
