import type { AcceptancePrompt } from '../../format/deployment.ts';
import { jsonSchemaMismatch } from '../../format/json-schema.ts';
import { withinTime } from './time-bound.ts';

/** What a server answered to a prompt. */
export interface PromptAnswer {
  readonly text: string;
  /** Tokens of the answer, as the server counts them. */
  readonly tokens?: number;
}

type Expectation = AcceptancePrompt['expect'];

/** How long an answer may be compared; the longest answers take milliseconds. */
const COMPARE_MS = 2000;

/** Whether an answer is as expected: true, or what is wrong with it. */
export function meets(expect: Expectation, answer: PromptAnswer): true | string {
  const { text } = answer;
  if ('tokens' in expect) return counted(expect.tokens, answer);
  const outcome = withinTime(COMPARE_MS, () => compared(expect, text));
  return outcome === undefined
    ? `${JSON.stringify(text)}, which could not be compared within ${COMPARE_MS / 1000} s`
    : outcome.value;
}

/** An expectation in words. */
export function describeExpectation(expect: Expectation): string {
  if ('equals' in expect) return `is ${JSON.stringify(expect.equals.trim())}`;
  if ('contains' in expect) return `contains ${JSON.stringify(expect.contains)}`;
  if ('matches' in expect) return `matches /${expect.matches}/u`;
  if ('jsonSchema' in expect) return `is JSON of the schema ${JSON.stringify(expect.jsonSchema)}`;
  const { min = 0, max } = expect.tokens;
  return max === undefined ? `has ${min} tokens or more` : `has ${min} to ${max} tokens`;
}

function compared(expect: Exclude<Expectation, { tokens: unknown }>, text: string): true | string {
  if ('jsonSchema' in expect) {
    const mismatch = schemaMismatch(expect.jsonSchema, text);
    return mismatch === undefined ? true : `${JSON.stringify(text)}: ${mismatch}`;
  }
  const alike =
    'equals' in expect
      ? text.trim() === expect.equals.trim()
      : 'contains' in expect
        ? text.includes(expect.contains)
        : new RegExp(expect.matches, 'u').test(text);
  return alike ? true : JSON.stringify(text);
}

function schemaMismatch(
  schema: Readonly<Record<string, unknown>>,
  text: string,
): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'no JSON';
  }
  return jsonSchemaMismatch(schema, value);
}

function counted(
  { min = 0, max = Number.POSITIVE_INFINITY }: { readonly min?: number; readonly max?: number },
  { text, tokens }: PromptAnswer,
): true | string {
  if (tokens === undefined) return 'a server that does not count tokens';
  return tokens >= min && tokens <= max ? true : `${tokens} tokens: ${JSON.stringify(text)}`;
}
