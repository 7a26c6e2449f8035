import { fieldsOf, listOf } from '../../core/json.ts';
import { oneLine } from '../../core/text.ts';
import type { ServerKind } from '../../format/service.ts';
import { type Endpoint, sendRequest } from '../../target/http-request.ts';
import { type Metrics, parseMetrics, sumOf } from './metrics.ts';

/** How long a server may take for one answer. */
const REQUEST_SECONDS = 2;
const MAX_MODELS = 16;
/** The most characters of the name of a model. */
const MAX_NAME = 100;

/** A model that a server lists. */
export interface LiveModel {
  readonly id: string;
  /** Tokens of prompt and answer together that the server accepts now. */
  readonly context?: number;
}

/** What a server says of itself. A figure that it does not give is missing. */
export interface ServerFigures {
  readonly models: readonly LiveModel[];
  readonly running?: number;
  readonly waiting?: number;
  /** How many requests of the longest context it can answer at the same time. */
  readonly concurrency?: number;
  /** How much of the KV cache is in use, 0 to 1. */
  readonly cacheUse?: number;
  /** How many tokens the KV cache can hold. */
  readonly cacheTokens?: number;
  /** Tokens since the server was started. */
  readonly promptTokens?: number;
  readonly generatedTokens?: number;
  /** Generated in a second while it generates, on average since the server was started. */
  readonly averageRate?: number;
}

type Writable = { -readonly [K in keyof ServerFigures]: ServerFigures[K] };

/** Asks a server for its models and metrics. @returns undefined if it does not answer at all */
export async function serverFigures(
  server: ServerKind,
  endpoint: Endpoint,
  signal: AbortSignal,
): Promise<ServerFigures | undefined> {
  const get = async (path: string): Promise<string | undefined> => {
    const answer = await sendRequest({ endpoint, path, seconds: REQUEST_SECONDS, signal });
    return answer?.status === 200 ? answer.body : undefined;
  };
  const llama = server === 'llama.cpp';
  const [listed, measured, slots] = await Promise.all([
    get('/v1/models'),
    get('/metrics'),
    llama ? get('/slots') : undefined,
  ]);
  if (listed === undefined && measured === undefined && slots === undefined) return undefined;
  const models = modelsIn(listed);
  const metrics = parseMetrics(measured ?? '');
  const figures = llama ? ofLlamaServer(metrics, json(slots)) : ofVllm(metrics, models[0]?.context);
  return { models, ...figures };
}

/** vLLM gives the context as `max_model_len`, llama-server for each of its slots as `meta.n_ctx`. */
function modelsIn(body: string | undefined): LiveModel[] {
  return listOf(fieldsOf(json(body))['data'])
    .slice(0, MAX_MODELS)
    .flatMap(({ id, max_model_len, meta }) => {
      if (typeof id !== 'string') return [];
      const context = amount(max_model_len) ?? amount(fieldsOf(meta)['n_ctx']);
      return [{ id: oneLine(id, MAX_NAME), ...(context === undefined ? {} : { context }) }];
    });
}

/**
 * Names of vLLM 0.12 to 0.32; `gpu_cache_usage_perc` is the name before 0.10. Both `perc` are fractions. Later versions give
 * the size of the cache and how many of the longest requests it can hold; they follow from the blocks in others.
 */
function ofVllm(metrics: Metrics, context: number | undefined): Partial<ServerFigures> {
  const [{ labels = {} } = {}] = metrics.get('vllm:cache_config_info') ?? [];
  const cacheTokens =
    product(labels['kv_cache_size_tokens']) ??
    product(labels['num_gpu_blocks'], labels['block_size']);
  const derived =
    cacheTokens === undefined || context === undefined || context === 0
      ? undefined
      : cacheTokens / context;
  const uses =
    metrics.get('vllm:kv_cache_usage_perc') ?? metrics.get('vllm:gpu_cache_usage_perc') ?? [];
  return present({
    running: sumOf(metrics, 'vllm:num_requests_running'),
    waiting: sumOf(metrics, 'vllm:num_requests_waiting'),
    cacheUse: fraction(uses.length === 0 ? undefined : Math.max(...uses.map(({ value }) => value))),
    cacheTokens,
    concurrency: product(labels['kv_cache_max_concurrency']) ?? derived,
    promptTokens: sumOf(metrics, 'vllm:prompt_tokens_total'),
    generatedTokens: sumOf(metrics, 'vllm:generation_tokens_total'),
  });
}

/** llama-server has `/metrics` with the option `--metrics` only, and `/slots` unless it was switched off. */
function ofLlamaServer(metrics: Metrics, slots: unknown): Partial<ServerFigures> {
  const each = listOf(slots);
  const capacity = each.map((slot) => amount(slot['n_ctx']) ?? 0);
  const held = each.map((slot, at) =>
    Math.min(amount(slot['n_prompt_tokens']) ?? 0, capacity[at] ?? 0),
  );
  const cacheTokens = total(capacity);
  return present({
    running:
      sumOf(metrics, 'llamacpp:requests_processing') ??
      (each.length === 0
        ? undefined
        : each.filter((slot) => slot['is_processing'] === true).length),
    waiting: sumOf(metrics, 'llamacpp:requests_deferred'),
    concurrency: each.length === 0 ? undefined : each.length,
    cacheUse: fraction(
      sumOf(metrics, 'llamacpp:kv_cache_usage_ratio') ??
        (cacheTokens === 0 ? undefined : total(held) / cacheTokens),
    ),
    cacheTokens: cacheTokens === 0 ? undefined : cacheTokens,
    promptTokens: sumOf(metrics, 'llamacpp:prompt_tokens_total'),
    generatedTokens: sumOf(metrics, 'llamacpp:tokens_predicted_total'),
    averageRate: sumOf(metrics, 'llamacpp:predicted_tokens_seconds'),
  });
}

function json(body: string | undefined): unknown {
  if (body === undefined) return undefined;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function amount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function fraction(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.min(1, Math.max(0, value));
}

function product(...texts: readonly (string | undefined)[]): number | undefined {
  const value = texts.reduce((before, text) => before * Number(text ?? Number.NaN), 1);
  return Number.isFinite(value) && value > 0 ? value : undefined;
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function present(
  values: {
    readonly [K in keyof Omit<ServerFigures, 'models'>]: ServerFigures[K] | undefined;
  },
): Partial<ServerFigures> {
  const kept = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as Partial<Writable>;
}
