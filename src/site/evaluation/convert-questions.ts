import { StowageError } from '../../core/error.ts';
import { type Fields, fieldsOf, parseJson } from '../../core/json.ts';
import { MAX_QUESTIONS } from '../../core/limits.ts';
import type { Message } from '../../format/question.ts';

/** A format of questions that other tools have. */
export type ForeignFormat = 'lm-eval' | 'openai';

/** How an ideal answer is expected, where the format leaves it open. */
export type Strictness = 'equals' | 'contains';

/** A question as a line of our own format says it. */
interface Converted {
  readonly id?: string;
  readonly prompt?: string;
  readonly messages?: readonly Message[];
  readonly expect: Fields;
}

/**
 * Questions of another tool as lines of JSON.
 *
 * `lm-eval`: the samples that lm-evaluation-harness writes with `--log_samples`. A choice by likelihood becomes a choice by
 * label, because an API for chats gives no likelihoods: its figures are not the same. `openai`: the samples of OpenAI's evals,
 * with `input` and `ideal`.
 * @param file for errors
 * @throws StowageError `document-invalid` with file and line
 */
export function convertQuestions(
  bytes: Uint8Array,
  file: string,
  options: { readonly format: ForeignFormat; readonly expect: Strictness },
): readonly string[] {
  const lines = Buffer.from(bytes).toString('utf8').split('\n');
  const converted: string[] = [];
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue;
    const at = `${file}:${index + 1}`;
    if (converted.length === MAX_QUESTIONS)
      throw refused(at, `at most ${MAX_QUESTIONS} questions`, 'a further one');
    const sample = fieldsOf(parsed(line, at));
    const question =
      options.format === 'lm-eval'
        ? ofHarness(sample, at, options.expect)
        : ofEvals(sample, at, options.expect);
    converted.push(JSON.stringify(question));
  }
  return converted;
}

/** The format of a file, by its first sample; undefined if it is neither. */
export function formatOf(bytes: Uint8Array, file: string): ForeignFormat | undefined {
  const first = Buffer.from(bytes)
    .toString('utf8')
    .split('\n')
    .find((line) => line.trim() !== '');
  const sample = fieldsOf(first === undefined ? {} : parsed(first, `${file}:1`));
  if ('ideal' in sample) return 'openai';
  return 'arguments' in sample && 'target' in sample ? 'lm-eval' : undefined;
}

function ofEvals({ input, ideal }: Fields, at: string, expect: Strictness): Converted {
  const asked = conversation(input, at);
  const ideals = typeof ideal === 'string' ? [ideal] : textList(ideal);
  const [first] = ideals;
  if (first === undefined) throw refused(at, 'ideal: a text, or a list of texts', seen(ideal));
  if (ideals.length === 1) return { ...asked, expect: { [expect]: first } };
  const any = ideals.map(escaped).join('|');
  const matches = expect === 'equals' ? `^\\s*(?:${any})\\s*$` : `(?:${any})`;
  return { ...asked, expect: { matches } };
}

function conversation(input: unknown, at: string): Pick<Converted, 'prompt' | 'messages'> {
  if (typeof input === 'string') return { prompt: input };
  const messages = Array.isArray(input) ? input.map(fieldsOf) : [];
  const read = messages.flatMap(({ role, content }): Message[] => {
    if (typeof content !== 'string') return [];
    return role === 'system' || role === 'user' || role === 'assistant' ? [{ role, content }] : [];
  });
  if (read.length === 0 || read.length !== messages.length)
    throw refused(at, 'input: a text, or messages with role and content', seen(input));
  return { messages: read };
}

function ofHarness(sample: Fields, at: string, expect: Strictness): Converted {
  const { doc_id: number, target } = sample;
  const id = typeof number === 'number' ? { id: `doc ${number}` } : {};
  const pairs = argumentsOf(sample['arguments']);
  const [first] = pairs;
  const [prompt] = first ?? [];
  if (prompt === undefined) throw refused(at, 'arguments with a prompt', seen(sample['arguments']));
  const continuations = pairs.map(([, text]) => text);
  const choices = continuations.filter((each) => typeof each === 'string');
  if (pairs.length === 1 || choices.length !== pairs.length) {
    const ideal = typeof target === 'number' ? String(target) : target;
    if (typeof ideal !== 'string') throw refused(at, 'target: a text', seen(target));
    return { ...id, prompt, expect: { [expect]: ideal.trim() } };
  }
  return {
    ...id,
    ...choiceOf(
      prompt,
      choices.map((each) => each.trim()),
      targetIndex(target, choices, at),
    ),
  };
}

/** A choice by likelihood, as a question with labels. */
function choiceOf(prompt: string, choices: readonly string[], right: number): Converted {
  const short = choices.every((each) => /^[A-Za-z0-9]{1,3}$/.test(each));
  const labels = short ? choices : choices.map((_, index) => String.fromCharCode(65 + index));
  const listed = short
    ? prompt
    : [
        prompt,
        ...choices.map((each, index) => `${labels[index]}. ${each}`),
        'Answer with the letter alone.',
      ].join('\n');
  return { prompt: listed, expect: { choice: labels[right], of: labels } };
}

function targetIndex(target: unknown, choices: readonly string[], at: string): number {
  const index =
    typeof target === 'number'
      ? target
      : typeof target === 'string' && /^\d{1,3}$/.test(target)
        ? Number(target)
        : choices.findIndex((each) => each.trim() === String(target).trim());
  if (Number.isInteger(index) && index >= 0 && index < choices.length) return index;
  throw refused(at, `target: one of ${choices.length} choices`, seen(target));
}

/** The prompts of a sample, each with its continuation: as a list of pairs, or as `gen_args_0` with `arg_0` and `arg_1`. */
function argumentsOf(value: unknown): (readonly [string, unknown])[] {
  const rows = Array.isArray(value) ? value : Object.values(fieldsOf(value));
  return rows.flatMap((row): (readonly [string, unknown])[] => {
    const [prompt, continuation] = Array.isArray(row)
      ? row
      : [fieldsOf(row)['arg_0'], fieldsOf(row)['arg_1']];
    return typeof prompt === 'string' ? [[prompt, continuation]] : [];
  });
}

function textList(value: unknown): string[] {
  const list = Array.isArray(value) ? value : [];
  return list.every((each) => typeof each === 'string') ? list : [];
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

function parsed(line: string, at: string): unknown {
  try {
    return parseJson(Buffer.from(line));
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    throw refused(at, error.expected ?? 'a JSON object', error.found ?? 'other text');
  }
}

function seen(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 200);
}

function refused(at: string, expected: string, found: string): StowageError {
  return new StowageError('document-invalid', `${at}: the sample cannot be converted`, {
    ...{ expected, found },
    hint: 'remove the line, or write the question by hand: manifests/EVALUATIONS.md explains the format',
  });
}
