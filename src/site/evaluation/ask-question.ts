import type { Evaluation } from '../../format/evaluation.ts';
import type { QuestionResult } from '../../format/evaluation-result.ts';
import type { NumberedQuestion, TextQuestion } from '../../format/question.ts';
import type { Adapter, ServerKind } from '../../format/service.ts';
import { type Connections, type Endpoint, sendRequest } from '../../target/http-request.ts';
import { askOver, type Way } from '../../target/way.ts';
import { readCompletion } from '../gate/acceptance.ts';
import type { PromptAnswer } from '../gate/expectation.ts';
import { cosines, embeddingOf, rankingCheck } from '../gate/ranking.ts';
import { judge } from './judge.ts';

/** Where questions are asked. */
export interface AskedServer {
  readonly evaluation: Evaluation;
  readonly server: ServerKind;
  readonly adapters: readonly Adapter[];
  readonly endpoint: Endpoint;
  /** Of `evaluation.similarity`. */
  readonly similarity?: Endpoint;
  /** A question that did not reach its server is asked again. */
  readonly way?: Way | undefined;
  readonly signal: AbortSignal;
  /** Keeps the connections of a run. */
  readonly agent?: Connections;
}

/** What came of a question. */
export interface Asked
  extends Omit<QuestionResult, 'milliseconds' | 'question' | 'id' | 'weight' | 'tags'> {
  /** Whether the server answered at all. */
  readonly answered: boolean;
}

/**
 * Asks a question and judges the answer.
 * @throws StowageError `interrupted`
 */
export async function askQuestion(
  { question }: NumberedQuestion,
  asked: AskedServer,
): Promise<Asked> {
  const { evaluation, endpoint, way, signal } = asked;
  const { model, api, withinSeconds } = evaluation;
  if (!('messages' in question)) {
    const { query, documents, expect } = question;
    if (api !== 'embeddings' && api !== 'rerank')
      throw new Error(`questions for api ${api} were checked when they were read`);
    const { service } = evaluation;
    const test = { service, model, api, query, documents, expect, withinSeconds };
    const outcome = await rankingCheck(test, { endpoint, way, signal }).run();
    return typeof outcome === 'string'
      ? { answered: !outcome.startsWith('no response'), passed: false, found: outcome }
      : { answered: true, passed: true, found: outcome.passed };
  }
  const answer = await completed(question, asked);
  if (typeof answer === 'string')
    return { answered: !answer.startsWith('no response'), passed: false, found: answer };
  const { text, tokens } = answer;
  const verdict = await judged(question, answer, asked);
  const passed = verdict === true;
  const found = passed ? JSON.stringify(text) : verdict;
  return { answered: true, passed, found, ...(tokens === undefined ? {} : { tokens }) };
}

async function completed(
  { messages, maxTokens }: TextQuestion,
  { evaluation, server, adapters, endpoint, way, signal, agent }: AskedServer,
): Promise<PromptAnswer | string> {
  const { model, api, temperature, seed, stop, withinSeconds: seconds } = evaluation;
  const adapter = server === 'llama.cpp' ? adapters.findIndex(({ name }) => name === model) : -1;
  const body = {
    model,
    max_tokens: maxTokens ?? evaluation.maxTokens,
    temperature,
    ...(seed === undefined ? {} : { seed }),
    ...(stop === undefined ? {} : { stop }),
    ...(adapter < 0 ? {} : { lora: [{ id: adapter, scale: 1 }] }),
    ...(api === 'chat'
      ? { messages }
      : { prompt: messages.map(({ content }) => content).join('\n') }),
  };
  const path = api === 'chat' ? '/v1/chat/completions' : '/v1/completions';
  const request = {
    ...{ endpoint, path, seconds, signal, body },
    ...(agent === undefined ? {} : { agent }),
  };
  const response = await askOver(way, () => sendRequest(request), signal);
  if (response === undefined) return `no response within ${seconds} s`;
  const answer = response.status === 200 ? readCompletion(response.body) : undefined;
  return answer ?? `status ${response.status}: ${JSON.stringify(response.body.slice(0, 500))}`;
}

async function judged(
  { expect }: TextQuestion,
  answer: PromptAnswer,
  { evaluation, similarity, way, signal }: AskedServer,
): Promise<true | string> {
  if (!('similar' in expect)) return judge(expect, answer);
  if (similarity === undefined || evaluation.similarity === undefined)
    throw new Error('questions with similar were checked when they were read');
  const { model } = evaluation.similarity;
  const seconds = evaluation.withinSeconds;
  const vectors: number[][] = [];
  for (const text of [answer.text, expect.similar]) {
    const vector = await embeddingOf(text, { model, seconds, endpoint: similarity, way, signal });
    if (typeof vector === 'string') return `the answer was not compared: ${vector}`;
    vectors.push(vector.value);
  }
  const [first = [], ...others] = vectors;
  const [cosine = Number.NaN] = cosines(first, others);
  return (
    cosine >= expect.atLeast || `a cosine of ${cosine.toFixed(4)}: ${JSON.stringify(answer.text)}`
  );
}
