import * as z from 'zod';
import { listOf } from '../core/fields.ts';
import { always } from './defect.ts';
import { exact } from './exact.ts';
import * as field from './field.ts';
import { jsonSchemaDefect } from './json-schema.ts';
import type { ServerKind } from './service.ts';

/** A prompt whose answer decides whether a generation is kept. Sent at temperature 0. */
export interface AcceptancePrompt {
  readonly service: string;
  readonly model: string;
  readonly api: 'chat' | 'completions';
  readonly prompt: string;
  readonly maxTokens: number;
  readonly withinSeconds: number;
  readonly expect:
    | { readonly equals: string }
    | { readonly contains: string }
    | { readonly matches: string }
    /** The answer must be JSON that this JSON Schema accepts. */
    | { readonly jsonSchema: Readonly<Record<string, unknown>> }
    /** How many tokens the answer may have, as counted by the server. */
    | { readonly tokens: { readonly min?: number; readonly max?: number } };
}

/** A query and documents, for a model that embeds texts or ranks documents instead of answering prompts. */
export interface AcceptanceRanking {
  readonly service: string;
  readonly model: string;
  /** `embeddings` of OpenAI's API, or `rerank` as vLLM and llama-server have it. */
  readonly api: 'embeddings' | 'rerank';
  readonly query: string;
  readonly documents: readonly string[];
  readonly withinSeconds: number;
  readonly expect: {
    /** The document that must be nearest to the query: the largest cosine, or the highest score. */
    readonly nearest: string;
    /** The number of dimensions of each embedding. */
    readonly dimension?: number;
    /** The Euclidean norm of each embedding, within one percent. */
    readonly norm?: number;
  };
}

/** What a service is asked before a generation is kept. */
export type AcceptanceTest = AcceptancePrompt | AcceptanceRanking;

const promptExpectation: z.ZodType<AcceptancePrompt['expect']> = exact(
  z.union([
    z.strictObject({ equals: field.text(65_536) }),
    z.strictObject({ contains: field.text(65_536) }),
    z.strictObject({ matches: field.text(1024).refine(isRegExp, 'expected a regular expression') }),
    z.strictObject({
      jsonSchema: z.record(z.string(), z.unknown()).superRefine((value, context) => {
        const defect = jsonSchemaDefect(value);
        if (defect !== undefined) context.addIssue({ code: 'custom', message: defect });
      }),
    }),
    z.strictObject({
      tokens: z
        .strictObject({
          min: z.int().min(0).max(1_000_000).exactOptional(),
          max: z.int().min(0).max(1_000_000).exactOptional(),
        })
        .refine((value) => (value.min ?? 0) <= (value.max ?? 1_000_000), 'min is above max'),
    }),
  ]),
);

const common = {
  service: field.name,
  model: field.line(256),
  withinSeconds: z.int().min(1).max(3600).default(60),
};

const prompt: z.ZodType<AcceptancePrompt> = exact(
  z.strictObject({
    ...common,
    api: z.enum(['chat', 'completions']).default('chat'),
    prompt: field.text(65_536),
    maxTokens: z.int().min(1).max(4096).default(16),
    expect: promptExpectation,
  }),
);

const rankedText = field.text(8192).refine((text) => text.trim() !== '', 'expected a text');

const ranking: z.ZodType<AcceptanceRanking> = exact(
  z
    .strictObject({
      ...common,
      api: z.enum(['embeddings', 'rerank']),
      query: rankedText,
      documents: z.array(rankedText).min(2).max(16),
      expect: z.strictObject({
        nearest: rankedText,
        dimension: z.int().min(1).max(32_768).exactOptional(),
        norm: z.number().positive().max(1_000_000).exactOptional(),
      }),
    })
    .refine(({ documents }) => !Array.isArray(documents) || isSet(documents), {
      ...always,
      path: ['documents'],
      message: 'two documents are the same',
    })
    .refine(
      ({ documents, expect }) => !Array.isArray(documents) || documents.includes(expect?.nearest),
      { ...always, path: ['expect', 'nearest'], message: 'expected one of the documents' },
    )
    .refine(
      ({ api, expect }) =>
        api !== 'rerank' || (expect?.dimension === undefined && expect?.norm === undefined),
      { ...always, path: ['expect'], message: 'only embeddings have a dimension and a norm' },
    ),
);

export const acceptanceTest: z.ZodType<AcceptanceTest> = exact(z.union([prompt, ranking]));

/** The kinds of servers that have the endpoint of a ranking. */
const rankingServers: Readonly<Record<AcceptanceRanking['api'], readonly ServerKind[]>> = {
  embeddings: ['vllm', 'llama.cpp', 'sglang', 'nim', 'ollama', 'http'],
  rerank: ['vllm', 'llama.cpp', 'http'],
};

/** Why a server of this kind cannot be asked through an API; both may have any type. Undefined if it can. */
export function apiDefect(api: unknown, server: unknown): string | undefined {
  if (api !== 'embeddings' && api !== 'rerank') return undefined;
  const servers: readonly unknown[] = rankingServers[api];
  if (server === undefined || servers.includes(server)) return undefined;
  return `api ${api} is for a server of kind ${servers.slice(0, -1).join(', ')} or ${servers.at(-1)}, not ${server}`;
}

/** Whether a list of acceptance tests, which may have any type, has one that versions before 3 of bundles do not have. */
export function usesRankings(acceptance: unknown): boolean {
  return listOf(acceptance).some((each) => Object.hasOwn(each, 'documents'));
}

function isRegExp(text: string): boolean {
  try {
    new RegExp(text, 'u');
    return true;
  } catch {
    return false;
  }
}

function isSet(texts: readonly unknown[]): boolean {
  return new Set(texts).size === texts.length;
}
