import * as z from 'zod';
import { MAX_QUESTIONS } from '../core/limits.ts';
import { type DocumentKind, schemaMember } from './document.ts';
import { type Thresholds, thresholds } from './evaluation.ts';
import * as field from './field.ts';
import { exact } from './field.ts';

/** What came of one question. */
export interface QuestionResult {
  /** SHA-256 of the line of the question, 64 hex digits: its text may be secret. */
  readonly question: string;
  readonly id?: string;
  readonly weight: number;
  readonly tags: readonly string[];
  readonly passed: boolean;
  /** What the model answered, and for a failed question why it failed; long ones are cut. */
  readonly found: string;
  /** For a failed question, what was expected; long ones are cut. */
  readonly expected?: string;
  /** Tokens of the answer, as the server counted them. */
  readonly tokens?: number;
  readonly milliseconds: number;
}

/** A pass rate: weights of questions, and how many these are. */
export interface Passed {
  readonly questions: number;
  readonly passed: number;
  /** The weight of those that passed, of all; a fraction of 1. */
  readonly rate: number;
}

/** What came of an evaluation, in a few numbers. */
export interface EvaluationSummary extends Passed {
  /** Questions for which the time did not suffice; they count as not passed. */
  readonly unasked: number;
  readonly tags: Readonly<Record<string, Passed>>;
  readonly p50Milliseconds: number;
  readonly p95Milliseconds: number;
  /** Absent if the server counts no tokens. */
  readonly tokensPerSecond?: number;
  /** The time in which questions were asked, of all runs that it took. */
  readonly milliseconds: number;
}

/** The site's signed statement of what came of an evaluation. */
export interface EvaluationResult {
  readonly schema: 'stowage/evaluation/v1';
  readonly site: string;
  readonly at: string;
  readonly tool: string;
  readonly evaluation: string;
  /** Whether the gate asked, before the generation was kept. */
  readonly gate: boolean;
  readonly generation: number;
  readonly release: {
    readonly name: string;
    readonly version: string;
    readonly seq: number;
    readonly bundle: string;
  };
  readonly service: string;
  readonly model: string;
  /** SHA-256 of the file of questions, 64 hex digits. */
  readonly questions: string;
  readonly thresholds: Thresholds;
  readonly summary: EvaluationSummary;
  /** The generation whose result the pass rate was held against, and its rate on the questions that both were asked. */
  readonly before?: { readonly generation: number; readonly rate: number; readonly now: number };
  /** Each threshold that was missed, in words; empty if all were met. */
  readonly missed: readonly string[];
  readonly results: readonly QuestionResult[];
}

const rate = z.number().min(0).max(1);
const count = z.int().min(0).max(MAX_QUESTIONS);
const milliseconds = z.number().min(0);
const passed = { questions: count, passed: count, rate };

const schema: z.ZodType<EvaluationResult> = exact(
  z.strictObject({
    schema: z.literal('stowage/evaluation/v1'),
    site: field.name,
    at: field.moment,
    tool: field.line(128),
    evaluation: field.name,
    gate: z.boolean(),
    generation: z.int().min(0),
    release: z.strictObject({
      name: field.name,
      version: field.version,
      seq: field.sequence,
      bundle: field.hex(128),
    }),
    service: field.name,
    model: field.line(256),
    questions: field.hex(64),
    thresholds,
    summary: z.strictObject({
      ...passed,
      unasked: count,
      tags: z.record(field.line(64), z.strictObject(passed)),
      p50Milliseconds: milliseconds,
      p95Milliseconds: milliseconds,
      tokensPerSecond: z.number().min(0).exactOptional(),
      milliseconds,
    }),
    before: z.strictObject({ generation: z.int().min(0), rate, now: rate }).exactOptional(),
    missed: z.array(field.line(500)).max(1000),
    results: z
      .array(
        z.strictObject({
          question: field.hex(64),
          id: field.line(128).exactOptional(),
          weight: z.number().positive().max(1000),
          tags: z.array(field.line(64)).max(32),
          passed: z.boolean(),
          found: z.string().max(70_000),
          expected: z.string().max(1000).exactOptional(),
          tokens: z.int().min(0).exactOptional(),
          milliseconds,
        }),
      )
      .max(MAX_QUESTIONS),
  }),
);

export const evaluationResultKind: DocumentKind<EvaluationResult> = {
  name: 'result of an evaluation',
  versionIn: schemaMember('evaluation'),
  code: 'document-invalid',
  schema,
  maxBytes: 128 * 1024 * 1024,
  hint: 'run the evaluation again, or get the file from the site again',
};
