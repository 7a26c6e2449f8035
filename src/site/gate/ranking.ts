import { counted, oneLine } from '../../core/text.ts';
import type { AcceptanceRanking } from '../../format/deployment.ts';
import { type Asked, askServer } from './ask-server.ts';
import type { ServerCheck } from './outcome.ts';

/** Embeddings are normalized in 16 bits by some servers. */
const NORM_TOLERANCE = 0.01;
const MAX_TEXT = 200;

/** What a server answered, or why it is not what was asked for. */
export type Reply<T> = { readonly value: T } | string;

/** The check of a model that embeds texts or ranks documents: the nearest document, and the form of each embedding. */
export function rankingCheck(test: AcceptanceRanking, asked: Asked): ServerCheck {
  const { api, model, query, documents, expect, withinSeconds } = test;
  const { nearest, dimension, norm } = expect;
  const form = [
    ...(dimension === undefined ? [] : [`${dimension} dimensions`]),
    ...(norm === undefined ? [] : [`a norm of ${norm}`]),
  ].join(' and ');
  const verb = api === 'rerank' ? 'ranks' : 'embeds';
  return {
    expected: `model ${model} ${verb} ${counted(documents.length, 'document')}${form === '' ? '' : ` with ${form}`}, of which ${quoted(nearest)} is nearest to ${quoted(query)}, within ${withinSeconds} s`,
    run: api === 'rerank' ? () => rerank(test, asked) : () => embed(test, asked),
  };
}

async function rerank(
  { model, query, documents, expect, withinSeconds }: AcceptanceRanking,
  asked: Asked,
): ReturnType<ServerCheck['run']> {
  const body = { model, query, documents };
  const seconds = withinSeconds;
  const answer = await ask({ path: '/v1/rerank', body, seconds, withinSeconds }, asked);
  if (typeof answer === 'string') return answer;
  const { results, model: named } = answer.value;
  const scores = scoresIn(results, documents.length);
  if (typeof scores === 'string') return scores;
  const order = nearestFirst(documents, scores.value, 'score');
  return order.first === expect.nearest
    ? { passed: `${fromModel(named)}: ${order.text}` }
    : order.text;
}

/** Each text is a request of its own: servers limit the texts of one, and answers have a limit. */
async function embed(
  { model, query, documents, expect, withinSeconds }: AcceptanceRanking,
  asked: Asked,
): ReturnType<ServerCheck['run']> {
  const began = performance.now();
  const vectors: number[][] = [];
  let named: unknown;
  for (const input of [query, ...documents]) {
    const seconds = withinSeconds - (performance.now() - began) / 1000;
    if (seconds <= 0) return `no response within ${withinSeconds} s`;
    const answer = await ask(
      { path: '/v1/embeddings', body: { model, input }, seconds, withinSeconds },
      asked,
    );
    if (typeof answer === 'string') return answer;
    const vector = vectorIn(answer.value['data']);
    if (typeof vector === 'string') return `${vector} for ${quoted(input)}`;
    vectors.push(vector.value);
    named = answer.value['model'];
  }
  const [first = [], ...others] = vectors;
  const dimensions = [...new Set(vectors.map((each) => each.length))];
  const wanted = expect.dimension ?? first.length;
  if (dimensions.length > 1 || first.length !== wanted)
    return `embeddings of ${dimensions.join(' and ')} dimensions`;
  const norms = vectors.map((each) => Math.hypot(...each));
  const [least, most] = [Math.min(...norms), Math.max(...norms)];
  const range = `norms of ${shown(least)} to ${shown(most)}`;
  if (least === 0) return `an embedding whose norm is 0`;
  const { norm } = expect;
  if (norm !== undefined && norms.some((each) => Math.abs(each - norm) > norm * NORM_TOLERANCE))
    return range;
  const order = nearestFirst(documents, cosines(first, others), 'cosine');
  if (order.first !== expect.nearest) return order.text;
  return { passed: `${fromModel(named)}, ${wanted} dimensions, ${range}: ${order.text}` };
}

interface Question {
  readonly path: string;
  readonly body: unknown;
  /** What is left of `withinSeconds`. */
  readonly seconds: number;
  readonly withinSeconds: number;
}

async function ask(
  { path, body, seconds, withinSeconds }: Question,
  asked: Asked,
): Promise<Reply<Readonly<Record<string, unknown>>>> {
  const response = await askServer({ path, seconds, body }, asked);
  if (response === undefined) return `no response within ${withinSeconds} s`;
  const value = response.status === 200 ? parsed(response.body) : undefined;
  if (value === undefined)
    return `status ${response.status} from ${path}: ${JSON.stringify(response.body.slice(0, 500))}`;
  return { value };
}

function parsed(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** What is asked for the embedding of a text, and the limit of the answer. */
export interface Embedding extends Asked {
  readonly model: string;
  readonly seconds: number;
}

/** The embedding of a text, or in words why there is none. */
export async function embeddingOf(
  input: string,
  { model, seconds, ...asked }: Embedding,
): Promise<Reply<number[]>> {
  const body = { model, input };
  const answer = await ask(
    { path: '/v1/embeddings', body, seconds, withinSeconds: seconds },
    asked,
  );
  return typeof answer === 'string' ? answer : vectorIn(answer.value['data']);
}

/** The embedding in an answer to one text. */
function vectorIn(data: unknown): Reply<number[]> {
  const [only, ...more] = Array.isArray(data) ? (data as readonly unknown[]) : [];
  if (only === undefined || more.length > 0) return 'an answer without one embedding';
  const vector = (only as { embedding?: unknown } | null)?.embedding;
  if (!Array.isArray(vector) || vector.length === 0 || !vector.every(Number.isFinite))
    return 'an embedding that is not a list of numbers';
  return { value: vector as number[] };
}

/** The score of each document, in the order of the request: servers sort them, and give the index. */
function scoresIn(results: unknown, count: number): Reply<number[]> {
  const listed = Array.isArray(results) ? (results as readonly unknown[]) : [];
  const scores = new Map<number, number>();
  for (const each of listed) {
    const { index, relevance_score: score } = (each ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof index !== 'number' || typeof score !== 'number' || !Number.isFinite(score))
      return 'results without index and relevance_score';
    scores.set(index, score);
  }
  const ordered = Array.from({ length: count }, (_, index) => scores.get(index));
  if (listed.length !== count || !ordered.every((each) => each !== undefined))
    return `scores of ${counted(scores.size, 'document')} instead of ${count}`;
  return { value: ordered };
}

/** The cosine of the angle between a vector and each other. */
export function cosines(
  query: readonly number[],
  documents: readonly (readonly number[])[],
): number[] {
  const length = Math.hypot(...query);
  return documents.map((each) => {
    const product = each.reduce((sum, value, at) => sum + value * (query[at] ?? 0), 0);
    return product / length / Math.hypot(...each);
  });
}

/** The documents by their scores. Of several with the highest one, none is the nearest. */
function nearestFirst(
  documents: readonly string[],
  scores: readonly number[],
  unit: string,
): { readonly first: string | undefined; readonly text: string } {
  const order = documents
    .map((document, at) => ({ document, score: scores[at] ?? Number.NaN }))
    .toSorted((a, b) => b.score - a.score);
  const [first, second] = order;
  const unique =
    scores.every(Number.isFinite) &&
    first !== undefined &&
    second !== undefined &&
    first.score > second.score;
  const text = order.map(({ document, score }) => `${shown(score)} ${quoted(document)}`).join(', ');
  return { first: unique ? first.document : undefined, text: `by ${unit} ${text}` };
}

function fromModel(named: unknown): string {
  return typeof named === 'string'
    ? `from model ${oneLine(named, MAX_TEXT)}`
    : 'the server named no model';
}

function quoted(text: string): string {
  return JSON.stringify(text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)} ...` : text);
}

function shown(value: number): string {
  return value.toFixed(4).replace(/0{1,3}$/, '');
}
