import * as z from 'zod';
import { digestOf } from '../core/digest.ts';
import { StowageError } from '../core/error.ts';
import { parseJson } from '../core/json.ts';
import { MAX_QUESTION_BYTES, MAX_QUESTIONS } from '../core/limits.ts';
import { counted } from '../core/text.ts';
import { always } from './defect.ts';
import { type AcceptancePrompt, promptExpectation } from './deployment.ts';
import { type DocumentKind, readValue } from './document.ts';
import { type Evaluation, tag } from './evaluation.ts';
import * as field from './field.ts';
import { exact } from './field.ts';

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** What the answer to a question must be. */
export type AnswerExpectation =
  | AcceptancePrompt['expect']
  /** The first of the labels `of` that the answer has as a word of its own. */
  | { readonly choice: string; readonly of: readonly string[] }
  /** The last number in the answer, within a tolerance (0 if absent). */
  | { readonly number: number; readonly within?: number }
  /** Whether the model declines to answer, in English words. */
  | { readonly refusal: boolean }
  /** A text whose embedding has at least this cosine with that of the answer. */
  | { readonly similar: string; readonly atLeast: number };

/** The expectation of a question for a model that embeds texts or ranks documents. */
export interface NearestExpectation {
  readonly nearest: string;
  readonly dimension?: number;
  readonly norm?: number;
}

interface Common {
  /** Its name in results; its place among the questions if absent. */
  readonly id?: string;
  /** How much it counts in a pass rate. */
  readonly weight: number;
  readonly tags: readonly string[];
}

/** A question for a model that writes text: one prompt, or the messages of a chat. */
export interface TextQuestion extends Common {
  readonly messages: readonly Message[];
  readonly expect: AnswerExpectation;
  readonly maxTokens?: number;
}

/** A query and documents. */
export interface NearestQuestion extends Common {
  readonly query: string;
  readonly documents: readonly string[];
  readonly expect: NearestExpectation;
}

export type Question = TextQuestion | NearestQuestion;

/** A question and the SHA-256 of its line, 64 hex digits, by which results name it. */
export interface NumberedQuestion {
  readonly question: Question;
  readonly sha256: string;
}

const expectation: z.ZodType<AnswerExpectation> = exact(
  z.union([
    promptExpectation,
    z
      .strictObject({
        choice: field.line(64),
        of: z.array(tag).min(2).max(64),
      })
      .refine(({ choice, of }) => !Array.isArray(of) || of.includes(choice), {
        ...always,
        path: ['choice'],
        message: 'expected one of the labels',
      }),
    z.strictObject({
      number: z.number(),
      within: z.number().min(0).exactOptional(),
    }),
    z.strictObject({ refusal: z.boolean() }),
    z.strictObject({ similar: field.text(65_536), atLeast: z.number().min(-1).max(1) }),
  ]),
);

const common = {
  id: field.line(128).exactOptional(),
  weight: z.number().positive().max(1000).default(1),
  tags: z.array(tag).max(32).default([]),
};

const MAX_TOKENS = 32_768;

const written = z
  .strictObject({
    ...common,
    prompt: field.text(MAX_QUESTION_BYTES).exactOptional(),
    messages: z
      .array(
        z.strictObject({
          role: z.enum(['system', 'user', 'assistant']),
          content: field.text(MAX_QUESTION_BYTES),
        }),
      )
      .min(1)
      .max(256)
      .exactOptional(),
    expect: expectation,
    maxTokens: z.int().min(1).max(MAX_TOKENS).exactOptional(),
  })
  .refine(({ prompt, messages }) => (prompt === undefined) !== (messages === undefined), {
    ...always,
    message: 'expected either prompt or messages',
  })
  .transform(({ prompt, messages, ...rest }): TextQuestion => {
    return { ...rest, messages: messages ?? [{ role: 'user', content: prompt ?? '' }] };
  });

const nearest = z
  .strictObject({
    ...common,
    query: field.text(8192),
    documents: z.array(field.text(8192)).min(2).max(16),
    expect: z.strictObject({
      nearest: field.text(8192),
      dimension: z.int().min(1).max(32_768).exactOptional(),
      norm: z.number().positive().max(1_000_000).exactOptional(),
    }),
  })
  .refine(
    ({ documents, expect }) => !Array.isArray(documents) || documents.includes(expect?.nearest),
    { ...always, path: ['expect', 'nearest'], message: 'expected one of the documents' },
  );

const question: z.ZodType<Question> = exact(z.union([written, nearest]));

const questionKind: DocumentKind<Question> = {
  name: 'question',
  code: 'document-invalid',
  schema: question,
  maxBytes: MAX_QUESTION_BYTES,
  hint: 'correct the line that the error names; each line is one question as a JSON object',
  hintAt: ({ file, line }) =>
    `correct line ${line} of ${file}; each line is one question as a JSON object`,
};

/** What questions must fit. */
export type Asking = Pick<Evaluation, 'name' | 'api' | 'similarity'>;

/**
 * The questions in a file of JSON Lines. Empty lines are skipped.
 * @param file for errors
 * @throws StowageError `document-invalid` with file and line, also for a question that the evaluation cannot ask
 */
export function readQuestions(
  bytes: Uint8Array,
  file: string,
  asking: Asking,
): readonly NumberedQuestion[] {
  const lines = decoded(bytes, file).split('\n');
  const questions: NumberedQuestion[] = [];
  for (const [index, text] of lines.entries()) {
    if (text.trim() === '') continue;
    if (questions.length === MAX_QUESTIONS)
      throw refused(`${file} has too many questions`, {
        expected: `at most ${MAX_QUESTIONS}`,
        found: `a further one in line ${index + 1}`,
      });
    const numbered = readQuestion(text, { file, line: index + 1 });
    requireAskable(numbered.question, asking, `${file}:${index + 1}`);
    questions.push(numbered);
  }
  if (questions.length === 0)
    throw refused(`${file} has no questions`, {
      expected: 'a JSON object in each line',
      found: 'no line with text',
    });
  return questions;
}

function readQuestion(
  text: string,
  { file, line }: { readonly file: string; readonly line: number },
): NumberedQuestion {
  const bytes = Buffer.from(text);
  if (bytes.length > MAX_QUESTION_BYTES)
    throw refused(`${file}:${line}: the question is too large`, {
      expected: `at most ${MAX_QUESTION_BYTES} bytes`,
      found: counted(bytes.length, 'byte'),
    });
  let value: unknown;
  try {
    value = parseJson(bytes);
  } catch (error) {
    if (!(error instanceof StowageError)) throw error;
    throw refused(`${file}:${line}: ${error.message}`, {
      expected: error.expected ?? 'one JSON object',
      found: error.found ?? 'other text',
    });
  }
  const question = readValue(questionKind, value, { locate: () => ({ file, line, column: 1 }) });
  return { question, sha256: digestOf(bytes).slice('sha256:'.length) };
}

function requireAskable(question: Question, { name, api, similarity }: Asking, at: string): void {
  const ranks = api === 'embeddings' || api === 'rerank';
  if (ranks !== 'query' in question)
    throw refused(`${at}: evaluation ${name} cannot ask this question`, {
      expected: ranks
        ? `query and documents, for api ${api}`
        : `a prompt or messages, for api ${api}`,
      found: ranks ? 'a prompt or messages' : 'query and documents',
    });
  if (!('messages' in question)) return;
  const { messages, expect } = question;
  if (api === 'completions' && messages.some(({ role }) => role !== 'user'))
    throw refused(`${at}: evaluation ${name} cannot ask this question`, {
      expected: 'a prompt: api completions takes no roles',
      found: 'messages with other roles',
    });
  if ('similar' in expect && similarity === undefined)
    throw refused(`${at}: nothing compares the answer`, {
      expected: `similarity with a service and a model in evaluation ${name}`,
      found: 'none',
    });
}

function decoded(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refused(`${file} is not a text file`, { expected: 'UTF-8', found: 'other bytes' });
  }
}

function refused(
  message: string,
  seen: { readonly expected: string; readonly found: string },
): StowageError {
  const { code, hint } = questionKind;
  return new StowageError(code, message, { ...seen, hint });
}
