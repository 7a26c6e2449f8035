import * as z from 'zod';
import * as field from './field.ts';
import { exact } from './field.ts';
import { forEditors, someLines } from './for-editors.ts';

/** What an evaluation must reach. Rates are fractions of 1. */
export interface Thresholds {
  /** The weight of the questions that passed, of all questions. */
  readonly passRate: number;
  /** The same of the questions with a tag. */
  readonly tags?: Readonly<Record<string, number>>;
  /** The median time of an answer. */
  readonly p50Seconds?: number;
  /** The 95th percentile of the time of an answer. */
  readonly p95Seconds?: number;
  /** Tokens of all answers, as the server counts them, in each second of the run. */
  readonly tokensPerSecond?: number;
  /** How much lower the pass rate may be than that of the generation before, on the questions that both were asked. */
  readonly regression?: number;
}

/** Questions that a service is asked, and what must come of it. */
export interface Evaluation {
  readonly name: string;
  readonly service: string;
  readonly model: string;
  readonly api: 'chat' | 'completions' | 'embeddings' | 'rerank';
  /** JSON Lines: a single file of `files` by its name; in `site.yaml`, an absolute path. */
  readonly questions: string;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  /** Requests at a time. */
  readonly concurrency: number;
  /** The limit for one answer. */
  readonly withinSeconds: number;
  /** The limit for all answers. */
  readonly budgetMinutes: number;
  /** How many of the first questions the gate asks before a generation is kept; none if absent. */
  readonly gate?: number;
  /** What embeds texts for `similar`. */
  readonly similarity?: { readonly service: string; readonly model: string };
  readonly thresholds: Thresholds;
}

/** A word by which questions are grouped. */
export const tag: z.ZodType<string> = field.someLine(64, 'expected a word');

const rate = z.number().min(0).max(1);
const seconds = z.number().positive().max(3600);

export const thresholds: z.ZodType<Thresholds> = exact(
  z.strictObject({
    passRate: rate,
    tags: z.record(tag, rate).exactOptional(),
    p50Seconds: seconds.exactOptional(),
    p95Seconds: seconds.exactOptional(),
    tokensPerSecond: z.number().positive().max(10_000_000).exactOptional(),
    regression: rate.exactOptional(),
  }),
);

function evaluation(questions: z.ZodType<string>): z.ZodType<Evaluation> {
  return exact(
    z.strictObject({
      name: field.name,
      service: field.name,
      model: field.line(256),
      api: z.enum(['chat', 'completions', 'embeddings', 'rerank']).default('chat'),
      questions,
      maxTokens: z.int().min(1).max(32_768).default(256),
      temperature: z.number().min(0).max(2).default(0),
      seed: z.int().min(0).max(2_147_483_647).exactOptional(),
      stop: z
        .array(
          forEditors(
            field.text(256).refine((text) => text !== '', 'expected a text'),
            { pattern: someLines },
          ),
        )
        .min(1)
        .max(4)
        .exactOptional(),
      concurrency: z.int().min(1).max(256).default(4),
      withinSeconds: z.int().min(1).max(3600).default(60),
      budgetMinutes: z.number().positive().max(10_080).default(60),
      gate: z.int().min(1).max(1000).exactOptional(),
      similarity: z.strictObject({ service: field.name, model: field.line(256) }).exactOptional(),
      thresholds,
    }),
  );
}

/** The evaluations of a manifest; absent if there are none. */
export const evaluations: z.ZodType<readonly Evaluation[]> = exact(
  z.array(evaluation(field.name)).min(1).max(32),
);

const sitePath = z
  .string()
  .max(1024)
  .regex(/^\/[^\p{Cc}\p{Cs}]*$/u, 'expected the absolute path of a file of this host');

/** The evaluations that a site adds to a release. */
export const siteEvaluations: z.ZodType<readonly Evaluation[]> = exact(
  z.array(evaluation(sitePath)).min(1).max(32),
);
