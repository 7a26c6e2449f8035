import * as z from 'zod';
import { listOf } from '../core/json.ts';
import type { ClusterNeeds } from './cluster-content.ts';
import { always, follows } from './defect.ts';
import type { Evaluation } from './evaluation.ts';
import * as field from './field.ts';
import { forEditors, severalLines } from './for-editors.ts';
import { jsonSchemaDefect } from './json-schema.ts';
import type { KnownEgress } from './known-egress.ts';
import { type ServerKind, type Service, service, size } from './service.ts';

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

export const promptExpectation: z.ZodType<AcceptancePrompt['expect']> = field.exact(
  z.union([
    z.strictObject({ equals: field.text(65_536) }),
    z.strictObject({ contains: field.text(65_536) }),
    z.strictObject({
      matches: forEditors(field.text(1024).refine(isRegExp, 'expected a regular expression'), {
        format: 'regex',
      }),
    }),
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

const prompt: z.ZodType<AcceptancePrompt> = field.exact(
  z.strictObject({
    ...common,
    api: z.enum(['chat', 'completions']).default('chat'),
    prompt: field.text(65_536),
    maxTokens: z.int().min(1).max(4096).default(16),
    expect: promptExpectation,
  }),
);

const rankedText = forEditors(
  field.text(8192).refine((text) => text.trim() !== '', 'expected a text'),
  { pattern: `(?=[^]*\\S)${severalLines}` },
);

const ranking: z.ZodType<AcceptanceRanking> = field.exact(
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

export const acceptanceTest: z.ZodType<AcceptanceTest> = field.exact(z.union([prompt, ranking]));

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

export interface Parameter {
  readonly type: 'string' | 'integer' | 'boolean';
  readonly default?: string | number | boolean;
  readonly description: string;
}

/** Requirements on the hardware and the system of a host. Versions are ranges of semantic versions. */
export interface HostNeeds {
  readonly kernel?: string;
  /** Flags as `/proc/cpuinfo` names them, such as `avx2` or `sve`. */
  readonly cpuFeatures?: readonly string[];
  readonly memory?: number;
  /** A version range for each engine. */
  readonly engine?: Readonly<Partial<Record<'podman' | 'docker', string>>>;
  readonly gpu?: GpuNeeds;
}

export interface GpuNeeds {
  readonly vendor: 'nvidia' | 'amd';
  readonly count: number;
  /** Memory of each GPU, in bytes. */
  readonly memory?: number;
  /** The lowest compute capability, such as `8.0`; NVIDIA only. */
  readonly computeCapability?: string;
  /** The lowest driver version, such as `550.54`. */
  readonly driver?: string;
}

/** A secret that the site provides; its value is never in a bundle. */
export interface SecretNeed {
  readonly description: string;
}

/** Releases that must no longer run at any site. */
export interface Recall {
  readonly release: string;
  /** A range of versions, such as `>=1.2.0 <1.2.4`. */
  readonly versions: string;
  readonly reason: string;
}

/** The part of a manifest about running the release; copied unchanged to the bundle. */
export interface Deployment {
  /** A bundle may contain nothing else: a recall of a few kilobytes. */
  readonly recalls?: readonly Recall[];
  readonly services: readonly Service[];
  readonly acceptance: readonly AcceptanceTest[];
  /** What a service is asked beyond that, with thresholds; absent if there are none. */
  readonly evaluations?: readonly Evaluation[];
  /** What its services are known to try to reach, and why that is harmless; absent if there is nothing. */
  readonly knownEgress?: readonly KnownEgress[];
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly secrets: Readonly<Record<string, SecretNeed>>;
  readonly requires: {
    /** Releases that the site must run. */
    readonly releases: readonly ReleaseRange[];
    /** Releases that must not run at the same site. */
    readonly conflicts: readonly ReleaseRange[];
    readonly host?: HostNeeds;
  };
  /** The versions of this release that can be upgraded to this one; any if absent. */
  readonly upgradeFrom?: string;
  readonly cluster?: ClusterNeeds;
}

export interface ReleaseRange {
  readonly name: string;
  /** A range of semantic versions. */
  readonly version: string;
}

const parameter: z.ZodType<Parameter> = field.exact(
  z
    .strictObject({
      type: z.enum(['string', 'integer', 'boolean']),
      default: z.union([field.text(4096), z.int(), z.boolean()]).exactOptional(),
      description: field.line(500),
    })
    .refine(
      (value) =>
        value.default === undefined ||
        typeof value.default === (value.type === 'integer' ? 'number' : value.type),
      {
        ...always,
        path: ['default'],
        ...follows(['..', 'type']),
        message: 'does not have the type of this parameter',
      },
    ),
);

/** The recalls of a manifest or bundle; absent if there are none. */
export const recalls: z.ZodType<readonly Recall[]> = field.exact(
  z
    .array(
      z.strictObject({
        release: field.name,
        versions: field.versionRange,
        reason: field.line(500),
      }),
    )
    .min(1)
    .max(10_000),
);

const releaseRange: z.ZodType<ReleaseRange> = field.exact(
  z.strictObject({
    name: field.name,
    version: field.versionRange,
  }),
);

const dotted = z
  .string()
  .regex(/^[0-9]{1,6}(?:\.[0-9]{1,6}){0,3}$/, 'expected a version such as 550.54');

const host: z.ZodType<HostNeeds> = field.exact(
  z.strictObject({
    kernel: field.versionRange.exactOptional(),
    cpuFeatures: z
      .array(z.string().regex(/^[a-z0-9_]{1,32}$/, 'expected a flag of /proc/cpuinfo such as avx2'))
      .max(64)
      .exactOptional(),
    memory: size.exactOptional(),
    engine: z.partialRecord(z.enum(['podman', 'docker']), field.versionRange).exactOptional(),
    gpu: z
      .strictObject({
        vendor: z.enum(['nvidia', 'amd']).default('nvidia'),
        count: z.int().min(1).max(64),
        memory: size.exactOptional(),
        computeCapability: dotted.exactOptional(),
        driver: dotted.exactOptional(),
      })
      .exactOptional(),
  }),
);

/** The members of {@link Deployment} in every document that contains it. */
export const deploymentShape: {
  [K in Exclude<
    keyof Deployment,
    'evaluations' | 'knownEgress' | 'recalls' | 'upgradeFrom' | 'cluster'
  >]: z.ZodType<Deployment[K]>;
} = {
  services: z.array(service).max(64).default([]),
  acceptance: z.array(acceptanceTest).max(64).default([]),
  parameters: z
    .record(
      z
        .string()
        .regex(/^[a-z][A-Za-z0-9]{0,62}$/, 'expected letters and digits, such as maxTokens'),
      parameter,
    )
    .default({}),
  secrets: z.record(field.name, z.strictObject({ description: field.line(500) })).default({}),
  requires: field.exact(
    z
      .strictObject({
        releases: z.array(releaseRange).max(64).default([]),
        conflicts: z.array(releaseRange).max(64).default([]),
        host: host.exactOptional(),
      })
      .default({ releases: [], conflicts: [] }),
  ),
};
