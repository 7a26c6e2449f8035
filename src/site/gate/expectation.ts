import { type Context, createContext, runInContext } from 'node:vm';
import { counted as amount } from '../../core/text.ts';
import type { AcceptancePrompt } from '../../format/deployment.ts';
import { jsonSchemaMismatch } from '../../format/json-schema.ts';

/** The answer of a server to a prompt. */
export interface PromptAnswer {
  readonly text: string;
  /** Tokens of the answer, as the server counts them. */
  readonly tokens?: number;
  /** The model that answered, as the server names it. */
  readonly model?: string;
}

type Expectation = AcceptancePrompt['expect'];

/** The time limit of a comparison; normal ones take milliseconds, even for the longest answers. */
const COMPARE_MS = 2000;

/** True if an answer is as expected, otherwise how it differs. */
export function meets(expect: Expectation, answer: PromptAnswer): true | string {
  const { text } = answer;
  if ('tokens' in expect) return counted(expect.tokens, answer);
  if ('equals' in expect || 'contains' in expect) return compared(expect, text);
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
  if ('jsonSchema' in expect)
    return `is JSON that matches the schema ${JSON.stringify(expect.jsonSchema)}`;
  const { min = 0, max } = expect.tokens;
  return max === undefined
    ? `has ${amount(min, 'token')} or more`
    : `has ${min} to ${amount(max, 'token')}`;
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
    return 'not valid JSON';
  }
  return jsonSchemaMismatch(schema, value);
}

function counted(
  { min = 0, max = Number.POSITIVE_INFINITY }: { readonly min?: number; readonly max?: number },
  { text, tokens }: PromptAnswer,
): true | string {
  if (tokens === undefined) return 'no token count in the response';
  return tokens >= min && tokens <= max
    ? true
    : `${amount(tokens, 'token')}: ${JSON.stringify(text)}`;
}

/** A new context takes a millisecond, and an evaluation compares thousands of answers. */
let shared: Context | undefined;

/**
 * Runs a synchronous computation on untrusted text with a time limit: a regular expression can backtrack forever.
 * @returns undefined when the time ran out
 */
function withinTime<T>(milliseconds: number, compute: () => T): { value: T } | undefined {
  let value: { value: T } | undefined;
  const once = (): void => {
    value = { value: compute() };
  };
  try {
    shared ??= createContext({});
    Object.assign(shared, { once });
    runInContext('once()', shared, { timeout: milliseconds });
  } catch (error) {
    if (isTimeout(error)) return undefined;
    throw error;
  }
  return value;
}

function isTimeout(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
}
