import type { AcceptancePrompt } from '../../format/deployment.ts';
import type { ServerKind } from '../../format/service.ts';
import { ask, type Endpoint } from '../../target/ask.ts';
import { describeExpectation, meets, type PromptAnswer } from './expectation.ts';

export interface PutPrompt {
  /** What must come back, in words. */
  readonly expected: string;
  /** Asks; true when the answer is as expected, else what came. */
  readonly run: () => Promise<string | true>;
}

/**
 * One acceptance prompt as a question at temperature 0: to the OpenAI-compatible endpoint that inference servers
 * share, or to Triton's generate extension, which has neither a chat nor a count of tokens.
 */
export function acceptanceCheck(
  prompt: AcceptancePrompt,
  server: ServerKind,
  endpoint: Endpoint,
  signal: AbortSignal,
): PutPrompt {
  const { withinSeconds: seconds, expect } = prompt;
  const { path, body, read } = server === 'triton' ? generate(prompt) : complete(prompt);
  return {
    expected: `${JSON.stringify(prompt.prompt)} answered by text that ${describeExpectation(expect)} within ${seconds} s`,
    run: async () => {
      const answer = await ask(endpoint, path, seconds, signal, body);
      if (answer === undefined) return `no answer within ${seconds} s`;
      const said = answer.status === 200 ? parsed(answer.body, read) : undefined;
      if (said === undefined)
        return `status ${answer.status}: ${JSON.stringify(answer.body.slice(0, 500))}`;
      return meets(expect, said);
    },
  };
}

interface Question {
  readonly path: string;
  readonly body: unknown;
  /** The answer in a reply, or undefined for a reply of another shape. */
  readonly read: (reply: Reply) => PromptAnswer | undefined;
}

interface Reply {
  readonly choices?: readonly { text?: unknown; message?: { content?: unknown } }[];
  readonly usage?: { readonly completion_tokens?: unknown } | null;
  readonly text_output?: unknown;
}

function complete({ api, model, maxTokens, prompt }: AcceptancePrompt): Question {
  const common = { model, max_tokens: maxTokens, temperature: 0 };
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
  return parsed(body, completion)?.text;
}

function completion({ choices, usage }: Reply): PromptAnswer | undefined {
  const choice = choices?.[0];
  const text = choice?.message?.content ?? choice?.text;
  const tokens = usage?.completion_tokens;
  if (typeof text !== 'string') return undefined;
  return typeof tokens === 'number' ? { text, tokens } : { text };
}

/** The members that both of its backends for language models, vLLM and TensorRT-LLM, take. */
function generate({ model, maxTokens, prompt }: AcceptancePrompt): Question {
  return {
    path: `/v2/models/${encodeURIComponent(model)}/generate`,
    body: {
      text_input: prompt,
      max_tokens: maxTokens,
      temperature: 0,
      stream: false,
      exclude_input_in_output: true,
    },
    read: ({ text_output: text }) => (typeof text === 'string' ? { text } : undefined),
  };
}

function parsed(body: string, read: Question['read']): PromptAnswer | undefined {
  try {
    return read((JSON.parse(body) ?? {}) as Reply);
  } catch {
    return undefined;
  }
}
