import { counted, oneLine } from '../../core/text.ts';
import type { AcceptancePrompt, AcceptanceTest } from '../../format/deployment.ts';
import type { Adapter, ServerKind } from '../../format/service.ts';
import { type Asked, askServer } from './ask-server.ts';
import { describeExpectation, meets, type PromptAnswer } from './expectation.ts';
import type { ServerCheck } from './outcome.ts';
import { rankingCheck } from './ranking.ts';

/** One acceptance test and where to send it. */
export interface AcceptanceInput extends Asked {
  readonly test: AcceptanceTest;
  readonly server: ServerKind;
  /** The adapters that the server has loaded, in the order of its arguments. */
  readonly adapters?: readonly Adapter[];
}

/**
 * The check of one acceptance test with the OpenAI-compatible API that inference servers share: a prompt at temperature 0, or a
 * query and documents. For Triton, with its generate extension, which supports neither chats nor token counts. llama-server
 * applies an adapter only to requests that name its number, and ignores the model.
 */
export function acceptanceCheck({
  test,
  server,
  adapters = [],
  ...asked
}: AcceptanceInput): ServerCheck {
  if (!('prompt' in test)) return rankingCheck(test, asked);
  const { withinSeconds: seconds, expect } = test;
  const id = server === 'llama.cpp' ? adapters.findIndex(({ name }) => name === test.model) : -1;
  const { path, body, read } =
    server === 'triton'
      ? generate(test)
      : complete(test, id < 0 ? {} : { lora: [{ id, scale: 1 }] });
  const applied = id < 0 ? '' : `with adapter ${test.model}, `;
  return {
    expected: `model ${test.model} answers ${JSON.stringify(test.prompt)} with text that ${describeExpectation(expect)} within ${seconds} s`,
    run: async () => {
      const response = await askServer({ path, seconds, body }, asked);
      if (response === undefined) return `no response within ${seconds} s`;
      const answer = response.status === 200 ? parsed(response.body, read) : undefined;
      if (answer === undefined)
        return `status ${response.status}: ${JSON.stringify(response.body.slice(0, 500))}`;
      const verdict = meets(expect, answer);
      return verdict === true ? { passed: `${applied}${evidence(answer)}` } : verdict;
    },
  };
}

/** The answer, as many tokens as the server counted, and the model that the server named. */
function evidence({ text, tokens, model }: PromptAnswer): string {
  const details = [
    model === undefined ? 'the server named no model' : `from model ${model}`,
    ...(tokens === undefined ? [] : [counted(tokens, 'token')]),
  ];
  return `${details.join(', ')}: ${JSON.stringify(text)}`;
}

interface PromptRequest {
  readonly path: string;
  readonly body: unknown;
  /** The answer in a response, or undefined for a response of another shape. */
  readonly read: (reply: Reply) => PromptAnswer | undefined;
}

interface Reply {
  readonly choices?: readonly { text?: unknown; message?: { content?: unknown } }[];
  readonly usage?: { readonly completion_tokens?: unknown } | null;
  readonly text_output?: unknown;
  readonly model?: unknown;
  /** Triton's name of {@link model}. */
  readonly model_name?: unknown;
}

function complete(
  { api, model, maxTokens, prompt }: AcceptancePrompt,
  more: Readonly<Record<string, unknown>>,
): PromptRequest {
  const common = { model, max_tokens: maxTokens, temperature: 0, ...more };
  return api === 'chat'
    ? {
        path: '/v1/chat/completions',
        body: { ...common, messages: [{ role: 'user', content: prompt }] },
        read: completion,
      }
    : { path: '/v1/completions', body: { ...common, prompt }, read: completion };
}

/** The text of the first choice of a chat or text completion, or undefined for anything else. */
export function answerText(body: string): string | undefined {
  return readCompletion(body)?.text;
}

/** The answer in a chat or text completion, or undefined for anything else. */
export function readCompletion(body: string): PromptAnswer | undefined {
  return parsed(body, completion);
}

function completion({ choices, usage, model }: Reply): PromptAnswer | undefined {
  const choice = choices?.[0];
  const text = choice?.message?.content ?? choice?.text;
  const tokens = usage?.completion_tokens;
  if (typeof text !== 'string') return undefined;
  return { text, ...(typeof tokens === 'number' ? { tokens } : {}), ...named(model) };
}

function named(model: unknown): Pick<PromptAnswer, 'model'> {
  return typeof model === 'string' ? { model: oneLine(model, 200) } : {};
}

/** Only members that both of Triton's backends for language models, vLLM and TensorRT-LLM, accept. */
function generate({ model, maxTokens, prompt }: AcceptancePrompt): PromptRequest {
  return {
    path: `/v2/models/${encodeURIComponent(model)}/generate`,
    body: {
      text_input: prompt,
      max_tokens: maxTokens,
      temperature: 0,
      stream: false,
      exclude_input_in_output: true,
    },
    read: ({ text_output: text, model_name }) =>
      typeof text === 'string' ? { text, ...named(model_name) } : undefined,
  };
}

function parsed(body: string, read: PromptRequest['read']): PromptAnswer | undefined {
  try {
    return read((JSON.parse(body) ?? {}) as Reply);
  } catch {
    return undefined;
  }
}
